package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tallyvault/tallyvault/cmd/internal/trial"
)

// Places in the network: the nodes are 1, 2 and 3.
const loadPlace = 100

// device is what every place has.
const device = "tv0"

// subnet is where all of them live; the last byte is the place.
var subnet = netip.MustParsePrefix("10.99.0.0/24")

// A link is one direction between two places.
type link struct {
	cut           bool
	loss          float64 // share of the packets
	delay, jitter time.Duration
}

// A network carries packets between the nodes, each in a namespace of its own, and the
// load, which stays in that of the test. It is a switch in user space between TUN
// devices: the kernels at both ends see a network that really loses and delays.
type network struct {
	ports map[int]*os.File
	names []string

	mu     sync.Mutex
	random *rand.Rand
	links  map[[2]int]link // from, to
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Getenv(insideVariable) == "" {
		t.Skip("SKIPPED: no network namespaces without root and iproute2")
	}
	n := &network{ports: map[int]*os.File{}, links: map[[2]int]link{}, random: rand.New(rand.NewPCG(1, 3))}
	t.Cleanup(n.close)
	err := n.plug("", loadPlace)
	for place := 1; place <= size; place++ {
		err = errors.Join(err, n.plug("node"+strconv.Itoa(place), place))
	}
	if err != nil {
		t.Skipf("SKIPPED: no network of its own: %v", err)
	}
	for place, port := range n.ports {
		go n.carry(place, port)
	}
	return n
}

// plug makes a place: in a new namespace, or in this one if it has no name.
func (n *network) plug(namespace string, place int) error {
	ip := func(args ...string) error { return command("ip", args...) }
	if namespace != "" {
		if err := ip("netns", "add", namespace); err != nil {
			return err
		}
		n.names = append(n.names, namespace)
		ip = func(args ...string) error { return command("ip", append([]string{"-n", namespace}, args...)...) }
	}
	port, err := openTun(namespace)
	if err != nil {
		return err
	}
	n.ports[place] = port
	return errors.Join(
		ip("addr", "add", address(place)+"/"+strconv.Itoa(subnet.Bits()), "dev", device),
		ip("link", "set", device, "up"), ip("link", "set", "lo", "up"),
	)
}

func address(place int) string {
	a := subnet.Addr().As4()
	a[3] = byte(place)
	return netip.AddrFrom4(a).String()
}

// openTun makes a device in a namespace and gives the end where its packets come out.
func openTun(namespace string) (*os.File, error) {
	var file *os.File
	made := make(chan error)
	go func() {
		var err error
		if namespace != "" {
			// Never unlocked: this thread stays in the other namespace, and ends with the
			// goroutine.
			runtime.LockOSThread()
			err = enter(namespace)
		}
		if err == nil {
			file, err = tun()
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("making a TUN device: %w", err)
	}
	return file, nil
}

func enter(namespace string) error {
	f, err := os.Open("/run/netns/" + namespace)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
}

func tun() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), device), nil
}

func (n *network) close() {
	for _, port := range n.ports {
		_ = port.Close()
	}
	for _, name := range n.names {
		_ = command("ip", "netns", "del", name)
	}
}

// move gives the nodes addresses in the network.
func (n *network) move(places []trial.Place) {
	for i := range places {
		places[i].Peer = strings.Replace(places[i].Peer, "127.0.0.1", address(i+1), 1)
		places[i].API = strings.Replace(places[i].API, "127.0.0.1", address(i+1), 1)
	}
}

// inside is the command line that runs a program where a node lives.
func (n *network) inside(node int) []string {
	return []string{"nsenter", "--net=/run/netns/node" + strconv.Itoa(node+1)}
}

// carry takes the packets that come out of one place where they want to go.
func (n *network) carry(from int, port *os.File) {
	buffer := make([]byte, 1<<16)
	for {
		length, err := port.Read(buffer)
		if err != nil {
			return // closed
		}
		packet := buffer[:length]
		if length < 20 || packet[0]>>4 != 4 || !subnet.Contains(netip.AddrFrom4([4]byte(packet[16:20]))) {
			continue // not IPv4, or for nobody here
		}
		to := int(packet[19])
		out := n.ports[to]
		if out == nil {
			continue
		}
		late, passes := n.fate(from, to)
		switch {
		case !passes:
		case late == 0:
			_, _ = out.Write(packet) // a full queue loses packets, as everywhere
		default:
			held := slices.Clone(packet)
			time.AfterFunc(late, func() { _, _ = out.Write(held) })
		}
	}
}

// fate decides about one packet.
func (n *network) fate(from, to int) (late time.Duration, passes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.links[[2]int{from, to}]
	if l.cut || l.loss > 0 && n.random.Float64() < l.loss {
		return 0, false
	}
	late = l.delay
	if l.jitter > 0 {
		late += time.Duration(n.random.Int64N(int64(2*l.jitter))) - l.jitter
	}
	return late, true
}

// set changes one direction.
func (n *network) set(from, to int, l link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[[2]int{from, to}] = l
}

// heal makes everything whole.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.links)
}

// place is where a node lives.
func (r *rig) place(n *node) int { return slices.Index(r.nodes, n) + 1 }

// others are all nodes but one.
func (r *rig) others(n *node) []*node {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(o *node) bool { return o == n })
}

// mute lets nothing through from one node to some, though they still reach it.
func (r *rig) mute(from *node, to ...*node) {
	for _, o := range to {
		r.network.set(r.place(from), r.place(o), link{cut: true})
	}
}

// part lets nothing through between one node and some.
func (r *rig) part(n *node, from ...*node) {
	r.mute(n, from...)
	for _, o := range from {
		r.mute(o, n)
	}
}

// weather makes all links between nodes the same.
func (r *rig) weather(l link) {
	for _, n := range r.nodes {
		for _, o := range r.others(n) {
			r.network.set(r.place(n), r.place(o), l)
		}
	}
}
