#!/usr/bin/env python3
"""Reads a running platform with frost_sta_client (Fraunhofer IOSB's Python client) and compares with its audit.

    python3 -m venv DIR && DIR/bin/pip install frost_sta_client
    DIR/bin/python scripts/frost-client-check.py http://127.0.0.1:PORT/v1.1

Lists every Thing, every Datastream and every Observation through the client, page by page, and compares their numbers
and times with GET /_audit. Prints one line; exit code 0 when everything agrees, 1 when not, 2 when it cannot run.
"""

import sys

try:
    import frost_sta_client
    import requests
except ImportError as missing:
    sys.exit(f"{missing}: install frost_sta_client in a virtual environment, see the head of this file")


def listed(query):
    """Every entity of a query; the client follows the links to further pages."""
    return list(query.list())


def check(url):
    root = url.rsplit("/v1.1", 1)[0]
    audit = requests.get(root + "/_audit", timeout=30).json()
    service = frost_sta_client.SensorThingsService(url)
    wrong = []
    things = listed(service.things().query())
    for thing in things:
        if not thing.name or thing.id is None:
            wrong.append(f"a Thing without name or id: {thing}")
        if not listed(thing.get_locations().query()):
            wrong.append(f"{thing.name} has no Location")
    streams = {stream.id: stream for stream in listed(service.datastreams().query())}
    if len(streams) != audit["totals"]["datastreams"]:
        wrong.append(f"{len(streams)} Datastreams listed, {audit['totals']['datastreams']} audited")
    rows = 0
    for line in audit["datastreams"]:
        stream = streams.get(line["id"])
        if stream is None or stream.name != line["name"]:
            wrong.append(f"Datastream {line['id']} is not listed as {line['name']}")
            continue
        if not stream.unit_of_measurement.name:
            wrong.append(f"{stream.name} has no unit")
        observations = listed(stream.get_observations().query().orderby("phenomenonTime").top(1000))
        rows += len(observations)
        times = {observation.phenomenon_time for observation in observations}
        if len(observations) != line["rows"]:
            wrong.append(f"{stream.name}: {len(observations)} Observations listed, {line['rows']} audited")
        if len(times) != line["distinct"]:
            wrong.append(f"{stream.name}: {len(times)} times listed, {line['distinct']} audited")
        if any(observation.result is None for observation in observations):
            wrong.append(f"{stream.name}: an Observation without result")
    print(f"frost_sta_client: {len(things)} Things, {len(streams)} Datastreams, {rows} Observations, {len(wrong)} wrong")
    for reason in wrong[:20]:
        print("  " + reason)
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(check(sys.argv[1].rstrip("/")))
    except (requests.RequestException, OSError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(2)
