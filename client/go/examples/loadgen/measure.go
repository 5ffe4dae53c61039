package main

import (
	"context"
	"sort"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// report is what the callers saw in the time that counts.
type report struct {
	Calls            int               `json:"calls"`
	Seconds          float64           `json:"seconds"`
	CallsPerSecond   float64           `json:"calls_per_second"`
	SamplesPerSecond float64           `json:"samples_per_second"`
	P50              float64           `json:"p50_ms"`
	P90              float64           `json:"p90_ms"`
	P99              float64           `json:"p99_ms"`
	P999             float64           `json:"p999_ms"`
	Max              float64           `json:"max_ms"`
	Failures         map[string]int    `json:"failures"` // by status code
	Examples         map[string]string `json:"examples"` // a message of each code
}

// seenBy is what one caller saw.
type seenBy struct {
	latencies []time.Duration
	failures  map[string]int
	examples  map[string]string
}

// measure lets the callers call until the time is over or the context ends; calls under way are finished.
func measure(ctx context.Context, s settings, call func(ctx context.Context, caller int) error) report {
	begin := time.Now().Add(s.warmUp)
	end := begin.Add(s.duration)
	callers := make([]seenBy, s.callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			callers[i] = work(ctx, begin, end, s.pause, func(ctx context.Context) error { return call(ctx, i) })
		}()
	}
	group.Wait()
	s.duration = max(min(s.duration, time.Since(begin)), time.Millisecond)
	return summary(callers, s)
}

// wait reports whether the time passed before the context ended.
func wait(ctx context.Context, pause time.Duration) bool {
	if pause <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// work calls until the end and keeps what was answered from begin to end.
func work(
	ctx context.Context, begin, end time.Time, pause time.Duration, call func(context.Context) error,
) seenBy {
	seen := seenBy{failures: map[string]int{}, examples: map[string]string{}}
	for ; ctx.Err() == nil; wait(ctx, pause) {
		start := time.Now()
		if start.After(end) {
			break
		}
		err := call(context.WithoutCancel(ctx))
		now := time.Now()
		switch {
		case now.Before(begin) || (now.After(end) && err == nil):
		case err != nil:
			kind := status.Code(err).String()
			seen.failures[kind]++
			seen.examples[kind] = err.Error()
		default:
			seen.latencies = append(seen.latencies, now.Sub(start))
		}
	}
	return seen
}

func summary(callers []seenBy, s settings) report {
	r := report{Seconds: s.duration.Seconds(), Failures: map[string]int{}, Examples: map[string]string{}}
	var all []time.Duration
	for _, one := range callers {
		all = append(all, one.latencies...)
		for kind, count := range one.failures {
			r.Failures[kind] += count
			r.Examples[kind] = one.examples[kind]
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	r.Calls = len(all)
	r.CallsPerSecond = float64(r.Calls) / r.Seconds
	r.SamplesPerSecond = r.CallsPerSecond * float64(s.batch)
	r.P50, r.P90, r.P99 = percentile(all, 0.5), percentile(all, 0.9), percentile(all, 0.99)
	r.P999, r.Max = percentile(all, 0.999), percentile(all, 1)
	return r
}

// percentile is the smallest latency, in ms, that a share of all does not exceed; 0 where there is none.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	index := int(share*float64(len(sorted))+0.5) - 1
	return float64(sorted[max(0, min(index, len(sorted)-1))]) / float64(time.Millisecond)
}
