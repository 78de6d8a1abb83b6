# Sourced in the virtual machine (busybox sh), behind guest.sh: an agent with one meter, and how to ask for its clock.

mkdir -p $FOLDER
cat >$FOLDER/parthe.yaml <<YAML
gateway:
  id: virtual
  location: {latitude: 51.3397, longitude: 12.3731, name: "A virtual machine"}
buses:
  - {id: hall, tcp: "127.0.0.1:1502"}
meters:
  - {id: main, bus: hall, unit: 1, model: eastron-sdm230, interval: 1s, points: [active-power]}
uplinks:
  - {id: city, sensorthings: "http://127.0.0.1:8080/v1.1"}
YAML

# Goes on with what the boot before has left, and leaves it to the next one.
take_up() {
    if [ -e /parthe/kept/spool ]; then
        cp -r /parthe/kept/spool $FOLDER/spool
        cp /parthe/kept/platform.db* /tmp/
    fi
}
leave() {
    mkdir -p /out/kept
    cp -r $FOLDER/spool /out/kept/spool
    cp /tmp/platform.db* /out/kept/
}

# As a power cut: nothing is ended in order. The platform is another machine.
cut_power() {
    kill -KILL "$AGENT"
    wait "$AGENT" 2>/dev/null
    stop_platform
    leave
}

METERS=
start_all() {
    parthe-lab meters --model eastron-sdm230 --port 1502 --share /parthe/share >/tmp/meters &
    METERS=$!
    eventually 30 grep -q '^meters' /tmp/meters || { cat /tmp/meters; return 1; }
    start_platform && start_agent
}

# clock KEY: what the status says of the clock.
clock() {
    answers
    awk -v key="\"$1\"" '
        $1 == "\"clock\"" && $NF == "{" { within = 1; next }
        within && /^  }/ { exit }
        within && $1 == key && /^    "/ { sub(/^ *"[^"]*" : /, ""); sub(/,$/, ""); gsub(/^"|"$/, ""); print; exit }' /tmp/status
}
clock_is() { [ "$(clock state)" = "$1" ]; }
waiting() { clock waiting; }
delivered() { number uplinks city delivered; }
all_delivered() { [ "$(number uplinks city undelivered)" = 0 ]; }
problem() { answers; grep -q "\"what\" : \"$1" /tmp/status; }

# observations: what is on the platform, one in a line, by time; nothing while it knows of no Datastream.
observations() {
    local stream
    : >/tmp/observations
    stream=$(wget -q -O - "http://127.0.0.1:8080/v1.1/Datastreams?\$filter=name%20eq%20'virtual/main/active-power'" |
        grep -o '"@iot.id":[0-9]*' | sed -n '1s/.*://p')
    [ -n "$stream" ] || return 0
    wget -q -O - "http://127.0.0.1:8080/v1.1/Datastreams($stream)/Observations?\$orderby=phenomenonTime%20asc&\$top=1000" |
        tr '{' '\n' >/tmp/observations
}
# How many have a word in them; how many there are at all.
with() { observations; grep -c "$1" /tmp/observations; }
times() { observations && grep -o '"phenomenonTime":"[^"]*"' /tmp/observations | cut -d'"' -f4; }
uptime() { cut -d. -f1 /proc/uptime; }
after() { [ "$(uptime)" -ge "$1" ]; }
