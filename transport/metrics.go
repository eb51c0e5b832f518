package transport

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what comes in by the door of this node. Labels are closed sets:
// routes are patterns, methods are names of operations and commands.
type metrics struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	underWay   prometheus.Gauge
	turnedAway prometheus.Counter
	calls      *prometheus.CounterVec
	limited    *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	streams    prometheus.Gauge
	ended      *prometheus.CounterVec
}

// anyMarket labels calls that are about no single market.
const anyMarket = "all"

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tallyvault_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tallyvault_http_request_seconds", Help: "Time from a request's head to the end of its answer, by route. Long-polls count with their wait.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
		underWay: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tallyvault_http_requests_under_way", Help: "Requests being answered now.",
		}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tallyvault_http_connections_turned_away_total", Help: "Connections closed at once because a limit was reached.",
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "energy_rpc_total", Help: "Commands and reads that this door was asked for, by name and market.",
		}, []string{"method", "market"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "energy_rpc_rate_limited_total", Help: "Commands and reads that this door answered with RateLimited, by name and market.",
		}, []string{"method", "market"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tallyvault_door_refusals_total", Help: "Commands that were refused before they were logged, by code.",
		}, []string{"code"}),
	}
	m.streams = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tallyvault_event_streams", Help: "Streams of events that are open.",
	})
	m.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tallyvault_event_streams_ended_total", Help: "Streams of events that have ended, by reason: left by the reader, slow reader, or what the last event says.",
	}, []string{"reason"})
	registry.MustRegister(m.requests, m.seconds, m.underWay, m.turnedAway, m.calls, m.limited, m.refusals, m.streams, m.ended)
	return m
}

// streamEnded counts a stream by why it ended. A reason was told to the reader; an
// error is one of writing to it.
func (m *metrics) streamEnded(reason string, err error) {
	switch {
	case reason != "":
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason = "slow"
	default:
		reason = "left"
	}
	m.ended.WithLabelValues(reason).Inc()
}

func (m *metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}
