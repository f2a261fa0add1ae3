"""Where a training computes: on one device, on several, or together with other processes."""

from biglearn_sampler.devices.devices import ONE_DEVICE as ONE_DEVICE
from biglearn_sampler.devices.devices import Devices as Devices
from biglearn_sampler.devices.team import ALONE as ALONE
from biglearn_sampler.devices.team import AbstractTeam as AbstractTeam
