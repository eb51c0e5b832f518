package intake

import (
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

// margin keeps readings that are about to become too old from being refused on
// their way.
const margin = time.Minute

// Within are the moments whose readings a market takes now.
func Within(m api.Market, now time.Time) Bounds {
	return Bounds{
		Oldest: now.Add(margin).UnixMilli() - m.MaxReadingAgeMs,
		Latest: now.UnixMilli(),
	}
}
