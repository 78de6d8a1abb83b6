# Sourced in the virtual machine (busybox sh): chips, pulses, the agent, and how to ask it.

now() { cut -d' ' -f1 /proc/uptime; }

# make_chip NAME LINES [OFFSET CONSUMER]: a simulated chip labelled NAME, whose lines are called NAME-0, NAME-1 …; the
# line OFFSET is in use by CONSUMER.
make_chip() {
    local chip=/sys/kernel/config/gpio-sim/$1 line=0
    mkdir -p "$chip/bank"
    echo "$2" >"$chip/bank/num_lines"
    echo "$1" >"$chip/bank/label"
    while [ $line -lt "$2" ]; do
        mkdir -p "$chip/bank/line$line"
        echo "$1-$line" >"$chip/bank/line$line/name"
        line=$((line + 1))
    done
    if [ $# -gt 2 ]; then
        mkdir "$chip/bank/line$3/hog"
        echo "$4" >"$chip/bank/line$3/hog/name"
    fi
    echo 1 >"$chip/live"
}

# The chip goes, as a USB adapter that is pulled out; make_chip brings it back.
unplug_chip() { echo 0 >"/sys/kernel/config/gpio-sim/$1/live"; }

# free_line CHIP OFFSET: nobody uses the line any more; the chip is away for a moment.
free_line() {
    unplug_chip "$1"
    rmdir "/sys/kernel/config/gpio-sim/$1/bank/line$2/hog"
    echo 1 >"/sys/kernel/config/gpio-sim/$1/live"
}

# The file that sets the level of a line: pull_file CHIP OFFSET.
pull_file() {
    local chip=/sys/kernel/config/gpio-sim/$1
    echo "/sys/devices/platform/$(cat "$chip/dev_name")/$(cat "$chip/bank/chip_name")/sim_gpio$2/pull"
}

# pulses CHIP OFFSET ARGUMENTS…: makes pulses; `made` says how many afterwards.
pulses() {
    local line
    line=$(pull_file "$1" "$2")
    shift 2
    parthe-lab pulses "$line" "$@" >/tmp/pulses
}

# The same in the background, from its first pulse on; end_pulses waits for its end.
GENERATOR=
begin_pulses() {
    local line
    line=$(pull_file "$1" "$2")
    shift 2
    rm -f /tmp/pulses
    parthe-lab pulses "$line" "$@" >/tmp/pulses &
    GENERATOR=$!
    eventually 20 grep -q ready /tmp/pulses
}
end_pulses() { wait "$GENERATOR"; }

# What the generator says of a property, in FILE or the last run: made pulses, made latest_ms FILE.
made() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "${2:-/tmp/pulses}"; }

# Waits until a command succeeds: eventually SECONDS COMMAND…
eventually() {
    local end=$(($(cut -d. -f1 /proc/uptime) + $1))
    shift
    until "$@"; do
        if [ "$(cut -d. -f1 /proc/uptime)" -ge $end ]; then return 1; fi
        usleep 200000
    done
}

# --- The agent

FOLDER=/var/parthe
SOCKET=/run/parthe.sock
# What every command that looks at the agent is told.
FILES="--config $FOLDER/parthe.yaml --share /parthe/share --socket $SOCKET"
AGENT=

start_agent() {
    mkdir -p $FOLDER
    parthe run $FILES --state $FOLDER/spool 2>>/out/agent.log &
    AGENT=$!
    eventually 30 answers || { echo "the agent does not answer"; tail -20 /out/agent.log; return 1; }
}

answers() { parthe status --json --socket $SOCKET >/tmp/status 2>/dev/null || [ $? -eq 1 ]; }

stop_agent() {
    kill -TERM "$AGENT"
    wait "$AGENT"
}

# field LIST ID KEY: what the status says of one of `inputs`, `meters` …
field() {
    answers
    awk -v list="\"$1\"" -v id="\"$2\"" -v key="\"$3\"" '
        $1 == list && $NF == "[" { within = 1; next }
        within && /^  \]/ { exit }
        within && /^    \{/ { found = 0; value = "" }
        within {
            line = $0
            sub(/^ +/, "", line)
            name = line
            sub(/ : .*/, "", name)
            sub(/^[^:]* : /, "", line)
            sub(/,$/, "", line)
            if (name == "\"id\"" && line == id) found = 1
            if (name == key) value = line
        }
        within && /^    \}/ && found { gsub(/^"|"$/, "", value); print value; exit }' /tmp/status
}

# The same for a number: 0 where the status does not say.
number() {
    local value
    value=$(field "$@")
    echo "${value:-0}"
}

pulses_of() { number inputs "$1" pulses; }
counted() { [ "$(pulses_of "$1")" = "$2" ]; }

# Whether an input is watched, or cannot be for a reason that contains a word: watched ID, fails ID WORD.
watched() { [ -n "$(field inputs "$1" place)" ]; }
fails() { field inputs "$1" error | grep -q "$2"; }

# Compares what was made with what was counted from `before` on: exact ID BEFORE MADE.
exact() {
    local after
    eventually 10 counted "$1" $(($2 + $3)) && return
    after=$(pulses_of "$1")
    echo "$3 pulses made, $((after - $2)) counted on $1; $(number inputs "$1" lostEdges) edges lost," \
        "$(number inputs "$1" tooShort) pulses too short, $(number inputs "$1" tooFast) edges too fast to see"
    return 1
}

# kills ID CHIP OFFSET COUNT: kills the agent so often while pulses come at 100 Hz, at another moment of the second each
# time. WORST is then the most pulses that one kill cost, INTERVAL how long pulses wait for their
# commit at most, in ms.
WORST=
INTERVAL=
kills() {
    local round=0 before made lost
    WORST=0
    answers
    INTERVAL=$(sed -n 's/.*"commitIntervalMilliseconds" : \([0-9]*\).*/\1/p' /tmp/status)
    # Pulses wait no longer than a second.
    [ "$INTERVAL" -le 1000 ] || INTERVAL=1000
    while [ $round -lt "$4" ]; do
        round=$((round + 1))
        before=$(pulses_of "$1")
        begin_pulses "$2" "$3" --count 100000 --rate 100 --width 4 || return 1
        usleep $((1500000 + round * 370000 % 1000000))
        # The generator may be stopped within a pulse, which ends when nobody watches.
        kill -STOP "$GENERATOR"
        kill -KILL "$AGENT"
        wait "$AGENT" 2>/dev/null
        kill -TERM "$GENERATOR"
        kill -CONT "$GENERATOR"
        end_pulses
        made=$(made pulses)
        [ "${made:-0}" -gt 0 ] || { echo "the generator said nothing"; return 1; }
        start_agent || return 1
        eventually 10 watched "$1" || return 1
        lost=$((before + made - $(pulses_of "$1")))
        [ $lost -ge 0 ] || { echo "$made pulses made, $lost lost"; return 1; }
        if [ $lost -gt $WORST ]; then WORST=$lost; fi
    done
}

# --- The platform

PLATFORM=
start_platform() {
    parthe-lab platform --file /tmp/platform.db --port 8080 >/tmp/platform.log 2>&1 &
    PLATFORM=$!
    eventually 30 grep -q '^platform' /tmp/platform.log
}

stop_platform() {
    kill -TERM "$PLATFORM"
    wait "$PLATFORM"
}

audit() { parthe-lab audit --spool $FOLDER/spool --platform http://127.0.0.1:8080/v1.1 >/tmp/audit; }

# compare_times EDGES OBSERVATIONS: every edge that was made is an Observation, with its level and its time to 300 ms,
# and there is no other since the first.
compare_times() {
    tr '{' '\n' <"$2" | awk -v edges="$1" '
        BEGIN { while ((getline line <edges) > 0) { split(line, part, " "); made++; time[made] = part[1]; level[made] = part[2] } }
        /"phenomenonTime"/ {
            match($0, /"phenomenonTime":"[^"]*"/)
            at = substr($0, RSTART + 18, RLENGTH - 19)
            second = mktime(substr(at, 1, 4) " " substr(at, 6, 2) " " substr(at, 9, 2) " " substr(at, 12, 2) " " \
                substr(at, 15, 2) " " substr(at, 18, 2))
            match($0, /"result":[0-9]+/)
            result = substr($0, RSTART + 9, RLENGTH - 9)
            moment = second * 1000 + (substr(at, 20, 1) == "." ? substr(at, 21, 3) : 0)
            if (moment < time[1] - 1000) next
            seen++
            off = moment - time[seen]
            if (off < 0) off = -off
            if (seen > made || result != level[seen] || off > 300) { print "Observation " at " of " result " is no edge"; bad = 1 }
            if (off > worst) worst = off
        }
        END {
            print seen " changes of " made ", at most " worst " ms from their edges"
            exit bad || seen != made
        }'
}

# --- Cases

PASSED=0
FAILED=0
# check TEXT FUNCTION: one case. What it prints is its reason when it fails, its figures when it does not.
check() {
    local since until result
    since=$(now)
    if $2 >/tmp/case 2>&1; then result=ok PASSED=$((PASSED + 1)); else result=FAIL FAILED=$((FAILED + 1)); fi
    until=$(now)
    echo "$result: $1 ($(echo "$until $since" | awk '{printf "%.1f", $1 - $2}') s)"
    sed 's/^/    /' /tmp/case
}
