package journal

import (
	"errors"
	"runtime"
	"sync"
)

// errStopped ends a step of a worker that Close does not want to wait for.
var errStopped = errors.New("journal is being closed")

// workers are the goroutines that compress segments, write runs and merge them.
// Each repeats one kind of step until there is nothing to do, then sleeps until it
// is woken.
type workers struct {
	done    chan struct{}
	running sync.WaitGroup
	wakes   []chan struct{}
}

func (j *Journal) startWorkers() {
	j.workers.done = make(chan struct{})
	j.index.wake = j.workers.wake
	j.index.stopped = j.workers.done
	j.work(func() (bool, error) {
		for _, q := range j.sequences() {
			if did, err := q.sealNext(); did || err != nil {
				return did, err
			}
		}
		return false, nil
	})
	j.work(func() (bool, error) {
		did, err := j.index.writeNext()
		if did && err == nil {
			j.workers.wake() // there may now be enough runs to merge
		}
		return did, err
	})
	j.work(j.index.mergeNext)
	// A journal may have been closed, or have crashed, with work left.
	j.workers.wake()
}

// work starts a goroutine that repeats step. An error is the journal's end, as one
// in the foreground would be.
func (j *Journal) work(step func() (bool, error)) {
	wake := make(chan struct{}, 1)
	done := j.workers.done
	j.workers.wakes = append(j.workers.wakes, wake)
	j.workers.running.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-wake:
			}
			for more := true; more; {
				select {
				case <-done:
					return
				default:
				}
				var err error
				if more, err = step(); err != nil {
					if !errors.Is(err, errStopped) {
						j.halt(err)
					}
					return
				}
			}
		}
	})
}

// stepAside lets whoever waits for a processor have it. What the workers do takes up to
// a tenth of a second at a stretch, and who answers commands would wait for as long as
// the scheduler lets one goroutine go on, which is 10 ms.
func stepAside() { runtime.Gosched() }

// wake tells every worker that there may be something to do. It never waits.
func (w *workers) wake() {
	for _, wake := range w.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// stop ends the workers and waits for them. It may be called once.
func (w *workers) stop() {
	if w.done == nil {
		return
	}
	close(w.done)
	w.running.Wait()
}
