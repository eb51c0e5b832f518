package journal

import (
	"container/list"
	"sync"
)

// blockID names a block of a sealed segment across both sequences.
type blockID struct {
	kind  byte
	block uint64
}

// A blockCache keeps the decompressed blocks that were used last, bounded by
// bytes because blocks of large records are a hundred times larger than others.
type blockCache struct {
	limit int

	mu    sync.Mutex
	bytes int
	used  *list.List // of *cachedBlock, the latest in front
	byID  map[blockID]*list.Element
}

type cachedBlock struct {
	id    blockID
	block block
}

func newBlockCache(limit int) *blockCache {
	return &blockCache{limit: limit, used: list.New(), byID: make(map[blockID]*list.Element)}
}

func (c *blockCache) get(id blockID) (block, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return block{}, false
	}
	c.used.MoveToFront(e)
	return e.Value.(*cachedBlock).block, true
}

// put keeps b, unless it alone exceeds the limit. Two readers may have loaded the
// same block; the second is dropped.
func (c *blockCache) put(id blockID, b block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok || len(b.data) > c.limit {
		return
	}
	c.byID[id] = c.used.PushFront(&cachedBlock{id, b})
	c.bytes += len(b.data)
	for c.bytes > c.limit {
		oldest := c.used.Remove(c.used.Back()).(*cachedBlock)
		delete(c.byID, oldest.id)
		c.bytes -= len(oldest.block.data)
	}
}
