package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
)

// How long a running server may take: to be connected to, to say what it serves or to begin to tell of
// every change, and to do what it is told, for a promotion loads a model.
const (
	connectTimeout  = 5 * time.Second
	answerTimeout   = 10 * time.Second
	decisionTimeout = 5 * time.Minute
)

// operation is a subcommand that tells a running server what to serve.
type operation struct {
	client footballpredictionv1connect.ModelServiceClient
	out    io.Writer
	actor  string
	reason string
}

// operationCommands are the subcommands of models that a running server carries out.
func operationCommands() []*cobra.Command {
	status := operationCommand("status [MODEL]", "Show what a running server serves, and what was decided about it", atMostOne, answerTimeout, func(ctx context.Context, o *operation, args []string) error {
		return o.status(ctx, args)
	})
	var watch bool
	status.Flags().BoolVar(&watch, "watch", false, "go on with every change until interrupted")
	show := status.RunE
	status.RunE = func(cmd *cobra.Command, args []string) error {
		if !watch {
			return show(cmd, args)
		}
		o, err := operationOf(cmd, answerTimeout)
		if err != nil {
			return err
		}
		return o.watch(cmd.Context())
	}
	var force bool
	promote := decisionCommand("promote MODEL VERSION", "Make a version the champion, and wait until it serves", exactly(2), func(ctx context.Context, o *operation, args []string) (*pb.Model, error) {
		answer, err := o.client.PromoteModel(ctx, &pb.PromoteModelRequest{Name: args[0], Version: args[1], Actor: o.actor, Reason: o.reason, Force: force})
		return answer.GetModel(), err
	})
	promote.Flags().BoolVar(&force, "force", false, "promote a version that the gate refused; --reason must say why")
	rollback := decisionCommand("rollback MODEL [VERSION]", "Give all requests to the version that served before, or to the one named", oneOrTwo, func(ctx context.Context, o *operation, args []string) (*pb.Model, error) {
		request := &pb.RollbackModelRequest{Name: args[0], Actor: o.actor, Reason: o.reason}
		if len(args) == 2 {
			request.Version = args[1]
		}
		answer, err := o.client.RollbackModel(ctx, request)
		return answer.GetModel(), err
	})
	var shadow string
	traffic := decisionCommand("traffic MODEL [NAME=VERSION:PERCENT]...", "Share requests out among versions; without any, all go to the champion", atLeastOne, func(ctx context.Context, o *operation, args []string) (*pb.Model, error) {
		route, err := parseRoute(args[1:], shadow)
		if err != nil {
			return nil, err
		}
		answer, err := o.client.SetTraffic(ctx, &pb.SetTrafficRequest{Name: args[0], Actor: o.actor, Reason: o.reason, Route: route})
		return answer.GetModel(), err
	})
	traffic.Example = "  footballprediction models traffic match-outcome champion=champion:90 canary=3:10 --reason 'first look at 3'"
	traffic.Flags().StringVar(&shadow, "shadow", "", "version or alias that is given a copy of each request")
	load := decisionCommand("load MODEL", "Look now for what should be served, and try again what has failed", exactly(1), func(ctx context.Context, o *operation, args []string) (*pb.Model, error) {
		answer, err := o.client.LoadModel(ctx, &pb.LoadModelRequest{Name: args[0], Actor: o.actor, Reason: o.reason})
		return answer.GetModel(), err
	})
	unload := decisionCommand("unload MODEL", "Give all versions of a model up until it is loaded again", exactly(1), func(ctx context.Context, o *operation, args []string) (*pb.Model, error) {
		answer, err := o.client.UnloadModel(ctx, &pb.UnloadModelRequest{Name: args[0], Actor: o.actor, Reason: o.reason})
		return answer.GetModel(), err
	})
	return []*cobra.Command{status, promote, rollback, traffic, load, unload}
}

func atMostOne(cmd *cobra.Command, args []string) error  { return between(cmd, args, 0, 1) }
func oneOrTwo(cmd *cobra.Command, args []string) error   { return between(cmd, args, 1, 2) }
func atLeastOne(cmd *cobra.Command, args []string) error { return between(cmd, args, 1, 21) }

func between(cmd *cobra.Command, args []string, least, most int) error {
	if len(args) < least || len(args) > most {
		return usagef("%s: expected %d to %d arguments, got %d (see --help)", cmd.CommandPath(), least, most, len(args))
	}
	return nil
}

// operationCommand is a subcommand that the server answers within timeout.
func operationCommand(use, short string, args cobra.PositionalArgs, timeout time.Duration, run func(context.Context, *operation, []string) error) *cobra.Command {
	command := &cobra.Command{Use: use, Short: short, Args: args}
	command.Flags().String("operator-address", "127.0.0.1:8002", "where the server's operators' port is")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := operationOf(cmd, timeout)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		return run(ctx, o, args)
	}
	return command
}

// decisionCommand is an operationCommand that changes what is served, and then shows it.
func decisionCommand(use, short string, args cobra.PositionalArgs, run func(context.Context, *operation, []string) (*pb.Model, error)) *cobra.Command {
	command := operationCommand(use, short, args, decisionTimeout, func(ctx context.Context, o *operation, args []string) error {
		model, err := run(ctx, o, args)
		if err != nil {
			return operationError(err)
		}
		return printModel(o.out, model)
	})
	command.Flags().String("actor", "", "who decides this (default this user)")
	command.Flags().String("reason", "", "why")
	return command
}

// operatorTransport is a client of a server's operators' port that waits no longer than timeout for an
// answer to begin; a stream may then go on for good.
func operatorTransport(timeout time.Duration) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	transport.ResponseHeaderTimeout = timeout
	return transport
}

func operationOf(cmd *cobra.Command, timeout time.Duration) (*operation, error) {
	address, err := cmd.Flags().GetString("operator-address")
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: operatorTransport(timeout)}
	o := &operation{client: footballpredictionv1connect.NewModelServiceClient(client, "http://"+address), out: cmd.OutOrStdout()}
	if cmd.Flags().Lookup("actor") == nil {
		return o, nil
	}
	if o.reason, err = cmd.Flags().GetString("reason"); err != nil {
		return nil, err
	}
	if o.actor, err = cmd.Flags().GetString("actor"); err != nil || o.actor != "" {
		return o, err
	}
	if current, err := user.Current(); err == nil {
		o.actor = current.Username
	} else {
		o.actor = os.Getenv("USER")
	}
	if o.actor == "" {
		return nil, usagef("--actor: this system does not know who you are; say who decides")
	}
	return o, nil
}

// operationError leaves of an RPC's error what a person needs.
func operationError(err error) error {
	var remote *connect.Error
	if errors.As(err, &remote) && remote.Code() != connect.CodeUnavailable {
		return errors.New(remote.Message())
	}
	return err
}

// parseRoute reads NAME=VERSION:PERCENT.
func parseRoute(args []string, shadow string) (*pb.Route, error) {
	route := &pb.Route{Shadow: shadow}
	for _, arg := range args {
		name, rest, named := strings.Cut(arg, "=")
		version, share, shared := strings.Cut(rest, ":")
		percent, err := strconv.ParseFloat(share, 64)
		if !named || !shared || err != nil {
			return nil, usagef("traffic: expected NAME=VERSION:PERCENT, such as canary=3:10, got %q", arg)
		}
		route.Variants = append(route.Variants, &pb.RouteVariant{Name: name, Version: version, Percent: percent})
	}
	return route, nil
}

func (o *operation) status(ctx context.Context, args []string) error {
	if len(args) == 0 {
		answer, err := o.client.ListModels(ctx, &pb.ListModelsRequest{PageSize: 1000})
		if err != nil {
			return operationError(err)
		}
		for _, model := range answer.GetModels() {
			if err := printModel(o.out, model); err != nil {
				return err
			}
		}
		return nil
	}
	answer, err := o.client.GetModel(ctx, &pb.GetModelRequest{Name: args[0]})
	if err != nil {
		return operationError(err)
	}
	if err := printModel(o.out, answer.GetModel()); err != nil {
		return err
	}
	changes, err := o.client.ListModelChanges(ctx, &pb.ListModelChangesRequest{Name: args[0], PageSize: 10})
	if err != nil {
		return operationError(err)
	}
	return printChanges(o.out, changes.GetChanges())
}

func (o *operation) watch(ctx context.Context) error {
	stream, err := o.client.WatchModels(ctx, &pb.WatchModelsRequest{})
	if err != nil {
		return operationError(err)
	}
	defer stream.Close()
	for stream.Receive() {
		if err := printModel(o.out, stream.Msg().GetModel()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil // interrupted
	}
	return operationError(stream.Err())
}

// printModel shows a model and its versions.
func printModel(out io.Writer, model *pb.Model) error {
	serves := "nothing serves"
	if model.GetServingVersion() != "" {
		serves = "version " + model.GetServingVersion() + " serves"
	}
	fmt.Fprintf(out, "%s: %s\n", model.GetName(), serves)
	if model.GetSourceProblem() != "" {
		fmt.Fprintf(out, "  %s\n", model.GetSourceProblem())
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, v := range model.GetVersions() {
		state := strings.TrimPrefix(v.GetState().String(), "MODEL_STATE_")
		fmt.Fprintf(w, "  version %s\t%s\t%s\t%s\n", v.GetVersion(), state, strings.Join(v.GetAliases(), ", "), v.GetStateReason())
	}
	for _, v := range model.GetRoute().GetVariants() {
		fmt.Fprintf(w, "  variant %s\t%g%%\tversion %s\n", v.GetName(), v.GetPercent(), v.GetVersion())
	}
	if shadow := model.GetRoute().GetShadow(); shadow != "" {
		fmt.Fprintf(w, "  shadow\tversion %s\n", shadow)
	}
	return w.Flush()
}

// printChanges shows decisions, the latest first.
func printChanges(out io.Writer, changes []*pb.ModelChange) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range changes {
		what := []string{c.GetAction()}
		if c.GetForced() {
			what = append(what, "by force")
		}
		if c.GetVersion() != "" {
			what = append(what, c.GetVersion())
		}
		for _, v := range c.GetRoute().GetVariants() {
			what = append(what, fmt.Sprintf("%s=%s:%g", v.GetName(), v.GetVersion(), v.GetPercent()))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.GetAt().AsTime().Format(time.RFC3339), c.GetActor(), strings.Join(what, " "), c.GetReason())
	}
	return w.Flush()
}
