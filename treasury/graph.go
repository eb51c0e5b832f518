package treasury

import (
	"bytes"
	"slices"
	"strings"
)

// Limits of what a disbursement depends on, directly and indirectly, as far as it
// has not ended. They bound the work of one Apply.
const (
	MaxDepth      = 32
	MaxGraph      = 1_024
	MaxGraphEdges = 8_192
)

// graph is what a disbursement depends on that has not ended. Node 0 is itself.
type graph struct {
	ids  []ID
	deps [][]int // of each node, in the order of its body
}

// checkGraph asks, at the end of a vote, whether its dependencies can come to an
// end: none ended otherwise, no cycle, no chain without measure. A dependency that
// nobody proposed yet is one to wait for.
func (r *run) checkGraph(d *Disbursement) Failure {
	b := r.b
	if dep := b.stale(d); dep != nil {
		return Failure{Code: StaleDependency, Detail: DetailEnded, Subject: dep.ID.String()}
	}
	g, ok := b.graphOf(d)
	for _, deps := range g.deps {
		r.looked += len(deps)
	}
	if !ok {
		return Failure{Code: ExecutionFailed, Detail: DetailGraph}
	}
	left, depth := g.kahn()
	if left != nil {
		cycle := g.cycle(left)
		if len(cycle) > MaxDepth {
			return Failure{Code: ExecutionFailed, Detail: DetailDepth}
		}
		return Failure{Code: CircularDependency, Detail: DetailCycle, Subject: joined(cycle)}
	}
	if depth > MaxDepth {
		return Failure{Code: ExecutionFailed, Detail: DetailDepth}
	}
	return Failure{}
}

// graphOf collects the graph breadth first, unless it is too large.
func (b *Book) graphOf(d *Disbursement) (graph, bool) {
	g := graph{ids: []ID{d.ID}}
	place := map[ID]int{d.ID: 0}
	edges := 0
	for i := 0; i < len(g.ids); i++ {
		node, _ := b.Get(g.ids[i])
		var deps []int
		for _, id := range node.Body.Deps {
			if edges++; edges > MaxGraphEdges {
				return g, false
			}
			dep, known := b.Get(id)
			if !known || !dep.Status.Live() {
				continue
			}
			at, seen := place[id]
			if !seen {
				if len(g.ids) == MaxGraph {
					return g, false
				}
				at = len(g.ids)
				place[id] = at
				g.ids = append(g.ids, id)
			}
			deps = append(deps, at)
		}
		g.deps = append(g.deps, deps)
	}
	return g, true
}

// kahn takes away, again and again, what depends on nothing that is left. It
// returns which nodes cannot be taken away, nil if there are none, and the longest
// chain of the others.
func (g graph) kahn() (left []bool, depth int) {
	missing := make([]int, len(g.ids))
	waiting := make([][]int, len(g.ids))
	var free []int
	for i, deps := range g.deps {
		missing[i] = len(deps)
		if len(deps) == 0 {
			free = append(free, i)
		}
		for _, dep := range deps {
			waiting[dep] = append(waiting[dep], i)
		}
	}
	depths := make([]int, len(g.ids))
	for n := 0; n < len(free); n++ {
		i := free[n]
		depth = max(depth, depths[i])
		for _, j := range waiting[i] {
			depths[j] = max(depths[j], depths[i]+1)
			if missing[j]--; missing[j] == 0 {
				free = append(free, j)
			}
		}
	}
	if len(free) == len(g.ids) {
		return nil, depth
	}
	left = make([]bool, len(g.ids))
	for i, n := range missing {
		left[i] = n > 0
	}
	return left, depth
}

// cycle follows, from the disbursement itself, which depends on all the others,
// the first dependency that is left, until it comes back. The cycle begins with its
// smallest id, so that it is the same whoever finds it.
func (g graph) cycle(left []bool) []ID {
	visited := make([]int, len(g.ids)) // place in the path, from 1
	var path []int
	at := 0
	for visited[at] == 0 {
		path = append(path, at)
		visited[at] = len(path)
		i := slices.IndexFunc(g.deps[at], func(dep int) bool { return left[dep] })
		at = g.deps[at][i]
	}
	var ids []ID
	least := 0
	for _, i := range path[visited[at]-1:] {
		ids = append(ids, g.ids[i])
		if last := len(ids) - 1; bytes.Compare(ids[last][:], ids[least][:]) < 0 {
			least = last
		}
	}
	return slices.Concat(ids[least:], ids[:least])
}

func joined(ids []ID) string {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, id.String())
	}
	return strings.Join(words, ",")
}

// Cycle is the cycle that a CircularDependency names.
func (f Failure) Cycle() []string {
	if f.Code != CircularDependency {
		return nil
	}
	return strings.Split(f.Subject, ",")
}
