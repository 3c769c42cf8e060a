package main

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"footballprediction/features/store"
	"footballprediction/serving"
)

// redisVariable names the Redis that keeps vectors and team states.
const redisVariable = "REDIS_URL"

// redisURL reads REDIS_URL; environ is as os.Environ gives it. Without it the URL is not Given.
func redisURL(environ []string) (store.RedisURL, error) {
	var address string
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, redisVariable+"="); ok {
			address = value
		}
	}
	if address == "" {
		return store.RedisURL{}, nil
	}
	url, err := store.ParseRedisURL(address)
	if err != nil {
		return store.RedisURL{}, usagef("%s: %w", redisVariable, err)
	}
	return url, nil
}

// watchRedis reports the breaker's state and the values that could not be used.
func watchRedis(r *store.Redis, telemetry *serving.Telemetry, meters metric.MeterProvider) error {
	if err := telemetry.WatchBreaker("redis", r.Breaker); err != nil {
		return err
	}
	reasons := map[string]func(store.RedisStatus) uint64{
		"missing":  func(s store.RedisStatus) uint64 { return s.Missing },
		"foreign":  func(s store.RedisStatus) uint64 { return s.Foreign },
		"corrupt":  func(s store.RedisStatus) uint64 { return s.Corrupt },
		"outdated": func(s store.RedisStatus) uint64 { return s.Outdated },
	}
	meter := meters.Meter("footballprediction/features/store")
	_, err := meter.Int64ObservableCounter("footballprediction.redis.values.unusable",
		metric.WithDescription("Values from Redis in whose place features were computed in process"),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			status := r.Status()
			for reason, count := range reasons {
				observer.Observe(int64(count(status)), metric.WithAttributes(attribute.String("reason", reason)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}
