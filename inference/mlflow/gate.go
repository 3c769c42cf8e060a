package mlflow

import (
	"context"
	"strings"

	"footballprediction/inference"
)

// The tags of a version that say what the gate of the training project decided; models/gate.py sets them.
const (
	verdictTag = "gate.verdict"
	reasonTag  = "gate.reason"
	actorTag   = "gate.actor"
	// reasonMax is how many characters of the gate's reason are told.
	reasonMax = 1000
)

// Verdict implements inference.Gatekeeper by the version's tags. The models of the fallback have none.
func (s *Source) Verdict(ctx context.Context, model, version string) (inference.Verdict, error) {
	if !s.registered(model) {
		return inference.Verdict{}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Limits.List, errTooLong)
	defer cancel()
	tags, err := s.client.tags(ctx, model, version)
	return inference.Verdict{Said: tags[verdictTag], Reason: plain(tags[reasonTag], reasonMax)}, s.tell(err)
}

// Overrule implements inference.Gatekeeper. The verdict is set last, so that it never stands without
// whose it is; what the gate had said is kept behind the reason.
func (s *Source) Overrule(ctx context.Context, model, version string, by inference.By) error {
	if !s.registered(model) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Limits.List, errTooLong)
	defer cancel()
	tags, err := s.client.tags(ctx, model, version)
	if err != nil {
		return s.tell(err)
	}
	reason := by.Reason
	if said := gateSaid(tags); said != "" {
		reason += behind + plain(said, reasonMax) + ")"
	}
	for _, tag := range []struct{ key, value string }{
		{reasonTag, reason},
		{actorTag, by.Actor},
		{verdictTag, inference.GateForced},
	} {
		if err := s.client.setTag(ctx, model, version, tag.key, tag.value); err != nil {
			return s.tell(err)
		}
	}
	return nil
}

// behind is what stands between the reason of who overruled the gate and the gate's own.
const behind = " (the gate: "

// gateSaid returns the gate's reason, also where it has been overruled since, be it only in part.
func gateSaid(tags map[string]string) string {
	said, verdict := tags[reasonTag], tags[verdictTag]
	if i := strings.LastIndex(said, behind); i >= 0 {
		return strings.TrimSuffix(said[i+len(behind):], ")")
	}
	if verdict == "" || verdict == inference.GateForced {
		return ""
	}
	return said
}

// tags returns a version's tags.
func (c *client) tags(ctx context.Context, name, version string) (map[string]string, error) {
	v, err := c.version(ctx, name, version)
	tags := map[string]string{}
	for _, tag := range v.Tags {
		tags[tag.Key] = tag.Value
	}
	return tags, err
}

// setTag sets a tag of a version.
func (c *client) setTag(ctx context.Context, name, version, key, value string) error {
	return c.post(ctx, "/model-versions/set-tag", map[string]string{"name": name, "version": version, "key": key, "value": value})
}
