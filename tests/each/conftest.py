"""Clusters of Dask and Ray on this machine, one of each for all tests."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import suppress

import pytest


@pytest.fixture(scope="session")
def dask_cluster():
    pytest.importorskip("distributed")
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": 1,  # starting workers takes long
        "distributed.deploy.lost-worker-timeout": "5 minutes",  # and longer on a busy machine
        "distributed.logging": {"distributed": "critical"},  # workers are killed on purpose
    }
    with dask.config.set(settings), warnings.catch_warnings():
        # Of asyncio and sockets within, at the end.
        warnings.simplefilter("ignore")
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        cluster = LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=logging.CRITICAL,
        )
        # A worker that is killed at the end may take longer than Dask waits.
        with suppress(TimeoutError), cluster, Client(cluster) as client:
            yield client


@pytest.fixture
def dask_threads():
    """Two threads of this process as a worker of Dask."""
    pytest.importorskip("distributed")
    from distributed import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        with Client(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None
        ) as client:
            yield client


@pytest.fixture(scope="session")
def ray_cluster():
    # Otherwise Ray puts another function in the place of print, and what holds print, such as the
    # callbacks of skorch, can no longer be pickled in this process.
    os.environ["RAY_TQDM_PATCH_PRINT"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Ray is going to change
        ray = pytest.importorskip("ray")
        from ray.util.joblib import register_ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        register_ray()
        yield ray
        ray.shutdown()


@pytest.fixture(params=["dask", "ray"])
def cluster(request):
    """Give the name that joblib has for a cluster that runs."""
    request.getfixturevalue(f"{request.param}_cluster")
    return request.param
