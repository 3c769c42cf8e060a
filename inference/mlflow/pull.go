package mlflow

import (
	"context"
	"fmt"

	"footballprediction/inference"
)

// Pulled is a version that was fetched.
type Pulled struct {
	Model, Version string
	// Digest is the SHA-256, in hexadecimal digits, of what the version is and of the hashes of all its
	// files: the same digest, the same files.
	Digest string
	// Dir is the folder of its files, which stays until the Source is closed.
	Dir string
}

// Pull fetches one version, by its number or by an alias, whether or not it is to be served. A copy that
// is there is verified and taken, but MLflow is asked all the same.
func (s *Source) Pull(ctx context.Context, model, version string) (Pulled, error) {
	got, err := s.pull(ctx, model, version)
	return got, s.tell(err)
}

func (s *Source) pull(ctx context.Context, model, version string) (Pulled, error) {
	if !inference.IsVersion(version) {
		alias := version
		registered, err := s.client.model(ctx, model)
		if err != nil {
			return Pulled{}, err
		}
		if version = registered.alias(alias); !inference.IsVersion(version) {
			return Pulled{}, fmt.Errorf("%w: %q has no alias %q", inference.ErrVersionUnknown, model, alias)
		}
	}
	registered, err := s.client.version(ctx, model, version)
	if err != nil {
		return Pulled{}, err
	}
	c, err := s.copyOf(ctx, versionKey{model, version, registered.revision()})
	if err != nil {
		return Pulled{}, err
	}
	digest, err := c.digest()
	return Pulled{Model: model, Version: version, Digest: digest, Dir: c.dir}, err
}
