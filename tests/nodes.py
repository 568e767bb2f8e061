"""A local cluster of several nodes (Ray's cluster_utils) that obeys lines on its standard input.

Each line is JSON: {"add": {...}} with the arguments of Cluster.add_node, {"kill": NODE_ID}, or
{"alive": null}. The answer is one line of JSON. The cluster ends with the input. Its one argument
is how many seconds a node may take to come.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ray.cluster_utils import Cluster


def main() -> None:
    """Obey until the input ends."""
    cluster = Cluster()
    nodes: dict[str, Any] = {}
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if "add" in order:
            node = cluster.add_node(wait=False, **order["add"])
            cluster._wait_for_node(node, timeout=float(sys.argv[1]))
            nodes[node.node_id] = node
            answer["node"] = node.node_id
        elif "kill" in order:
            cluster.remove_node(nodes.pop(order["kill"]), allow_graceful=False)
        answer["address"] = cluster.address
        answer["alive"] = sorted(cluster.global_state._live_node_ids())
        print(json.dumps(answer), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
