package spikeserve

import (
	"context"
	"strings"
	"time"

	"spikeserve.example/go/internal/activation"
	pb "spikeserve.example/go/spikeservev1"
)

// Mode is the arithmetic that a network is loaded for.
type Mode string

// The modes.
const (
	ModeExact     Mode = "exact"     // 22-bit integer weights between spiking layers, the same bytes everywhere
	ModeFast      Mode = "fast"      // the same with 16-bit weights
	ModeInt8      Mode = "int8"      // the same with 8-bit weights
	ModeReference Mode = "reference" // float64, step by step: an oracle, slow
)

func mode(message pb.Mode) Mode {
	if message == pb.Mode_MODE_UNSPECIFIED {
		return ModeExact
	}
	return Mode(word(message.String(), "MODE_"))
}

// State is where a version is in its life.
type State string

// The states.
const (
	StateLoading   State = "loading"
	StateReady     State = "ready" // takes requests
	StateUnloading State = "unloading"
	StateStored    State = "stored" // takes requests, the first of which waits until it is in memory
)

// Quantity is what a probe reads.
type Quantity string

// The quantities.
const (
	QuantityOutput  Quantity = "output"  // of the operation; spikes are counts*amplitude/dt
	QuantitySpikes  Quantity = "spikes"  // counts per step, of spiking neurons
	QuantityVoltage Quantity = "voltage" // membrane voltage after the step
	QuantityCurrent Quantity = "current" // of the step; probes of a request only
)

// InputInfo is one input of a network.
type InputInfo struct {
	Name  string
	Shape []int      // without the batch
	Types []DataType // what it takes
}

// Takes reports whether the input takes elements of this type.
func (i InputInfo) Takes(dataType DataType) bool {
	for _, taken := range i.Types {
		if taken == dataType {
			return true
		}
	}
	return false
}

// ProbeInfo is one probe of a network.
type ProbeInfo struct {
	Name     string
	Target   string // the operation that it reads
	Quantity Quantity
	Shape    []int // of one sample and step
	// Activation that clients apply to its outputs, such as "sigmoid"; "" where there is none.
	Activation string
}

// LayerInfo is one operation of a network.
type LayerInfo struct {
	Name       string
	Kind       string // "affine", "conv", "neuron.integrate_and_fire" ...
	Shape      []int  // of its output, without the batch
	Neurons    int64  // 0 unless it is one of neurons
	Parameters int64
}

// NetworkInfo is a version of a network as the server holds it; little more than its name while it loads or goes.
type NetworkInfo struct {
	Name          string
	Version       int64
	State         State
	Mode          Mode
	Backend       string // "cpu" or "cuda"
	ResidentBytes int64  // what it holds on host and device
	Neurons       int64
	Parameters    int64
	DT            float64 // s, default of a run
	Steps         int     // default of a run
	Readout       Readout // default of a run
	ClassLabels   []string
	Inputs        []InputInfo
	Probes        []ProbeInfo
	Layers        []LayerInfo
	LoadedAt      time.Time // by the server's clock
	SHA256        string    // of the serialized definition, hex
	SourceFormat  string    // what it was converted from
	Notes         []string  // of the conversion, for people
	Aliases       []string  // that stand for this version
}

// Unload removes a version, or all of them (0), from memory and disk, lets running requests finish, and returns
// which are gone. ErrNotFound.
func (c *Client) Unload(ctx context.Context, name string, version int64) ([]int64, error) {
	request := &pb.UnloadNetworkRequest{Name: name, Version: version}
	answer, err := c.networks.UnloadNetwork(about(ctx, name), request)
	return answer.GetVersions(), failure(err, c.target)
}

// SetAlias lets NAME@ALIAS stand for a version, wherever a network is named, and returns for which: 0 is the highest
// that is ready. Where it stood for another one, each request gets the one or the other. ErrNotFound.
func (c *Client) SetAlias(ctx context.Context, name, alias string, version int64) (int64, error) {
	request := &pb.SetAliasRequest{Name: name, Alias: alias, Version: version}
	answer, err := c.networks.SetAlias(about(ctx, name), request)
	return answer.GetVersion(), failure(err, c.target)
}

// DeleteAlias forgets an alias and returns the version for which it stood. ErrNotFound.
func (c *Client) DeleteAlias(ctx context.Context, name, alias string) (int64, error) {
	request := &pb.DeleteAliasRequest{Name: name, Alias: alias}
	answer, err := c.networks.DeleteAlias(about(ctx, name), request)
	return answer.GetVersion(), failure(err, c.target)
}

// Get shows a version; 0 is the highest that is ready. ErrNotFound.
func (c *Client) Get(ctx context.Context, name string, version int64) (NetworkInfo, error) {
	request := &pb.GetNetworkRequest{Name: name, Version: version}
	answer, err := c.networks.GetNetwork(about(ctx, name), request)
	if err != nil {
		return NetworkInfo{}, failure(err, c.target)
	}
	return networkInfo(answer.GetNetwork()), nil
}

// List shows all networks and versions, in every state.
func (c *Client) List(ctx context.Context) ([]NetworkInfo, error) {
	answer, err := c.networks.ListNetworks(ctx, &pb.ListNetworksRequest{})
	if err != nil {
		return nil, failure(err, c.target)
	}
	infos := make([]NetworkInfo, len(answer.GetNetworks()))
	for i, message := range answer.GetNetworks() {
		infos[i] = networkInfo(message)
	}
	return infos, nil
}

func networkInfo(message *pb.NetworkInfo) NetworkInfo {
	defaults := message.GetDefaults()
	info := NetworkInfo{
		Name:          message.GetName(),
		Version:       message.GetVersion(),
		State:         State(word(message.GetState().String(), "NETWORK_STATE_")),
		Mode:          mode(message.GetMode()),
		Backend:       message.GetBackend(),
		ResidentBytes: message.GetResidentBytes(),
		Neurons:       message.GetNeurons(),
		Parameters:    message.GetParameters(),
		DT:            defaults.GetDt(),
		Steps:         int(defaults.GetSteps()),
		Readout:       readout(defaults.GetReadout()),
		ClassLabels:   defaults.GetClassLabels(),
		SHA256:        message.GetSha256(),
		SourceFormat:  message.GetProvenance().GetSourceFormat(),
		Notes:         message.GetProvenance().GetNotes(),
		Aliases:       message.GetAliases(),
	}
	if info.DT == 0 {
		info.DT = 0.001
	}
	if info.Steps == 0 {
		info.Steps = 100
	}
	if message.GetLoadedAt() != nil {
		info.LoadedAt = message.GetLoadedAt().AsTime()
	}
	addParts(&info, message)
	return info
}

func addParts(info *NetworkInfo, message *pb.NetworkInfo) {
	for _, input := range message.GetInputs() {
		types := make([]DataType, len(input.GetDataTypes()))
		for i, dataType := range input.GetDataTypes() {
			types[i] = DataType(word(dataType.String(), "DATA_TYPE_"))
		}
		info.Inputs = append(info.Inputs, InputInfo{input.GetName(), ints(input.GetShape()), types})
	}
	for _, probe := range message.GetProbes() {
		info.Probes = append(info.Probes, ProbeInfo{
			probe.GetName(), probe.GetTarget(), Quantity(word(probe.GetQuantity().String(), "PROBE_QUANTITY_")),
			ints(probe.GetShape()), activation.Text(probe.GetActivation()),
		})
	}
	for _, layer := range message.GetLayers() {
		info.Layers = append(info.Layers, LayerInfo{
			layer.GetName(), layer.GetKind(), ints(layer.GetShape()), layer.GetNeurons(), layer.GetParameters(),
		})
	}
}

// word is the name of an enumerator as this package has it.
func word(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
