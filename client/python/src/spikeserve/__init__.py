"""Trained Keras networks as spiking networks on a spikeserve server."""

from spikeserve import encodings
from spikeserve._client_async import AsyncClient
from spikeserve._requests import RunOptions, SessionOptions
from spikeserve._version import __version__ as __version__
from spikeserve.calibration import ExitCalibration, calibrate_early_exit
from spikeserve.client import Client
from spikeserve.convert import (
    Alpha,
    ConversionError,
    ConversionWarning,
    LinearFilter,
    Lowpass,
    Triangle,
    convert,
    read_nir,
)
from spikeserve.convert import neurons as _neurons
from spikeserve.convert.models.functions import *  # noqa: F403  (every neuron type of each kind)
from spikeserve.convert.models.integrating import *  # noqa: F403
from spikeserve.convert.models.rates import *  # noqa: F403
from spikeserve.convert.models.wrappers import *  # noqa: F403
from spikeserve.energy import Device, EnergyEstimate, estimate_energy
from spikeserve.errors import (
    AbortedError,
    AlreadyExistsError,
    CallCancelledError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    SpikeserveError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from spikeserve.evaluation import Evaluation, classify_float, evaluate, float_outputs
from spikeserve.local_server import LocalServer, ServerStartError, serve
from spikeserve.network import Network, NetworkFileError, load_network
from spikeserve.recording import EarlyExit, Record
from spikeserve.results import (
    InputInfo,
    LayerInfo,
    LayerStatistics,
    NetworkInfo,
    ProbeInfo,
    ProbeValues,
    Progress,
    Settings,
    SimulationResult,
    Timing,
    TopK,
)
from spikeserve.session import AsyncSession, Session, SessionGoaway, SessionProgress

__all__ = [
    *_neurons.__all__,
    "AbortedError",
    "Alpha",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncSession",
    "CallCancelledError",
    "Client",
    "ConversionError",
    "ConversionWarning",
    "DataLossError",
    "DeadlineExceededError",
    "Device",
    "EarlyExit",
    "EnergyEstimate",
    "Evaluation",
    "ExitCalibration",
    "FailedPreconditionError",
    "InputInfo",
    "InternalError",
    "InvalidArgumentError",
    "LayerInfo",
    "LayerStatistics",
    "LinearFilter",
    "LocalServer",
    "Lowpass",
    "Network",
    "NetworkFileError",
    "NetworkInfo",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ProbeInfo",
    "ProbeValues",
    "Progress",
    "Record",
    "ResourceExhaustedError",
    "RunOptions",
    "ServerStartError",
    "Session",
    "SessionGoaway",
    "SessionOptions",
    "SessionProgress",
    "Settings",
    "SimulationResult",
    "SpikeserveError",
    "Timing",
    "TopK",
    "Triangle",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "calibrate_early_exit",
    "classify_float",
    "convert",
    "encodings",
    "estimate_energy",
    "evaluate",
    "float_outputs",
    "load_network",
    "read_nir",
    "serve",
]
