package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestPercentiles(t *testing.T) {
	sorted := make([]time.Duration, 1000)
	for i := range sorted {
		sorted[i] = time.Duration(i+1) * time.Millisecond
	}
	for share, wanted := range map[float64]float64{0: 1, 0.5: 500, 0.9: 900, 0.999: 999, 1: 1000} {
		if got := percentile(sorted, share); got != wanted {
			t.Errorf("percentile %v is %v ms, wanted %v", share, got, wanted)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("no call took %v ms", got)
	}
}

func TestCallsAreCounted(t *testing.T) {
	var calls atomic.Int64
	s := settings{callers: 4, batch: 8, duration: 50 * time.Millisecond}
	r := measure(context.Background(), s, func(context.Context, int) error {
		time.Sleep(time.Millisecond)
		switch calls.Add(1) % 3 {
		case 0:
			return status.Error(codes.ResourceExhausted, "full")
		case 1:
			return errors.New("odd")
		default:
			return nil
		}
	})
	counted := int64(r.Calls + r.Failures["ResourceExhausted"] + r.Failures["Unknown"])
	if r.Calls == 0 || counted > calls.Load() || counted < calls.Load()-4 {
		t.Errorf("%d of %d calls are in %+v", counted, calls.Load(), r)
	}
	if r.SamplesPerSecond != 8*r.CallsPerSecond || r.P50 < 1 || r.Max < r.P999 {
		t.Errorf("%+v", r)
	}
}
