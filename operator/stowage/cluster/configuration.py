"""Where the API server is and who we are: what kubectl would use, else the pod's ServiceAccount.

The library reads kubeconfig files and mounted tokens, runs exec plugins, and renews a ServiceAccount's
token. What it leaves to us: it looks at ``KUBECONFIG`` only when it is imported, and renews what a
kubeconfig names (token files, exec plugins) only for those who ask.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from yaml import YAMLError

from stowage.cluster.errors import NotConfigured

_library: Any = config  # its functions have no types

RENEWAL_SECONDS = 60.0
"""How often credentials are read anew; the library's own period for a ServiceAccount's token."""


async def load_configuration(context: str | None = None, kubeconfig: Path | None = None) -> Configuration:
    """Find the cluster, in client-go's order: the file that is named, KUBECONFIG, ~/.kube/config, the pod.

    Args:
        context: of the kubeconfig; its current one when None. Named, it rules out the pod's ServiceAccount.
        kubeconfig: instead of KUBECONFIG.

    Raises:
        NotConfigured: nothing says where the cluster is, or what says so can't be used.
    """
    # The class itself would return a copy of a process-wide default, once anyone has set one.
    configuration = Configuration()
    places = _kubeconfigs(kubeconfig)
    try:
        if places:
            await _load_kubeconfig(configuration, places, context)
        elif context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            _library.load_incluster_config(client_configuration=configuration)
        else:
            raise NotConfigured("no cluster: neither KUBECONFIG nor ~/.kube/config names an existing file")
    except (ConfigException, OSError, ValueError, KeyError, TypeError, YAMLError) as error:
        raise NotConfigured(f"can't use {places or 'the ServiceAccount of this pod'}: {error}") from error
    return configuration


def _kubeconfigs(chosen: Path | None) -> str:
    """The existing kubeconfig files, as KUBECONFIG writes them."""
    named = str(chosen) if chosen else os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    return os.pathsep.join(each for each in named.split(os.pathsep) if Path(each).expanduser().is_file())


async def _load_kubeconfig(configuration: Configuration, places: str, context: str | None) -> None:
    loader = await _library.load_kube_config(
        config_file=places, context=context, client_configuration=configuration, persist_config=False
    )
    untyped: Any = configuration
    untyped.refresh_api_key_hook = Renewal(loader)


class Renewal:
    """Reads what the kubeconfig names anew, once a minute at most; the library calls it before each request.

    An exec plugin that says when its token expires is run only then. Who asks while another request is
    already renewing goes on with the old token, which is good for longer than that.
    """

    def __init__(self, loader: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._loader = loader
        self._clock = clock
        self._due = clock() + RENEWAL_SECONDS

    async def __call__(self, configuration: Configuration) -> None:
        """Renew the configuration's token when it is time to."""
        if self._clock() >= self._due:
            self._due = self._clock() + RENEWAL_SECONDS
            await self._loader.load_and_set(configuration)
