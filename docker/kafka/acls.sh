#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# acls.sh: gives each program, each service and each reader the least rights on Kafka's topics and
# groups (docs/security.md has the table). Uses Kafka's own kafka-acls.sh, says what it does, and
# can be repeated. It adds rights and removes none: see those that are there with
# `kafka-acls.sh --list`.
set -euo pipefail

usage() {
        cat <<'END'
Usage: acls.sh --bootstrap-server HOST:PORT [OPTIONS]

Options:
  --command-config FILE      properties of the administrator's client (TLS, SASL), handed to
                             kafka-acls.sh
  --prefix PREFIX            kafka.prefix of the configuration (default: rollcall)
  --scheduler PRINCIPAL      default: User:rollcall-scheduler
  --worker PRINCIPAL         default: User:rollcall-worker
  --aggregator PRINCIPAL     default: User:rollcall-aggregator
  --operator PRINCIPAL       who uses the tool `rollcall` (default: User:rollcall-operator)
  --reader PRINCIPAL         who reads results and dead letters (default: User:rollcall-reader)
  --service NAME[=PRINCIPAL] a service of the configuration's `intake` (principal: User:NAME)
  --topic NAME=TOPIC         that service's intake topic (default: PREFIX.intake.NAME)
                             These four may be given more than once.
  --dry-run                  print the commands only
  --help

The environment variable KAFKA_ACLS names the command (default: kafka-acls.sh, else kafka-acls).
END
}

wrong() {
        echo "acls.sh: $1; see: acls.sh --help" >&2
        exit 2
}

bootstrap='' command_config='' prefix=rollcall dry_run=''
scheduler=User:rollcall-scheduler worker=User:rollcall-worker aggregator=User:rollcall-aggregator
operators=() readers=() services=()
declare -A principal topic

while [ $# -gt 0 ]; do
        case $1 in
        --help) usage; exit 0 ;;
        --dry-run) dry_run=yes; shift; continue ;;
        --bootstrap-server | --command-config | --prefix | --topic) ;;
        --scheduler | --worker | --aggregator | --operator | --reader | --service) ;;
        *) wrong "unknown option \"$1\"" ;;
        esac
        [ -n "${2:-}" ] || wrong "$1 wants a value"
        case $1 in
        --bootstrap-server) bootstrap=$2 ;;
        --command-config) command_config=$2 ;;
        --prefix) prefix=$2 ;;
        --scheduler) scheduler=$2 ;;
        --worker) worker=$2 ;;
        --aggregator) aggregator=$2 ;;
        --operator) operators+=("$2") ;;
        --reader) readers+=("$2") ;;
        --service)
                name=${2%%=*}
                [[ $name =~ ^[a-z0-9-]+$ ]] ||
                        wrong "--service \"$2\": expected NAME or NAME=PRINCIPAL, with the name as \
in the configuration"
                services+=("$name")
                principal[$name]=User:$name
                [[ $2 != *=* ]] || principal[$name]=${2#*=}
                ;;
        --topic)
                [[ $2 == *=?* ]] || wrong "--topic \"$2\": expected NAME=TOPIC"
                topic[${2%%=*}]=${2#*=}
                ;;
        esac
        shift 2
done
[ -n "$bootstrap" ] || wrong "--bootstrap-server is missing"
[ ${#operators[@]} -gt 0 ] || operators=(User:rollcall-operator)
[ ${#readers[@]} -gt 0 ] || readers=(User:rollcall-reader)
principals=("$scheduler" "$worker" "$aggregator" "${operators[@]}" "${readers[@]}")
for p in "${principals[@]}" "${principal[@]}"; do
        [[ $p == *:?* ]] ||
                wrong "\"$p\" is no principal, expected one such as User:rollcall-worker"
        [[ $p != "User:*" ]] || wrong "\"$p\" would be everybody"
done
for name in "${!topic[@]}"; do
        [ -n "${principal[$name]:-}" ] || wrong "--topic $name=…: there is no --service $name"
done

tool=${KAFKA_ACLS:-$(command -v kafka-acls.sh || command -v kafka-acls || true)}
[ -n "$tool" ] || [ -n "$dry_run" ] ||
        wrong "found neither kafka-acls.sh nor kafka-acls: put Kafka's bin folder into PATH, or \
name the command in KAFKA_ACLS"
read -ra command <<< "${tool:-kafka-acls.sh}"
command+=(--bootstrap-server "$bootstrap")
[ -z "$command_config" ] || command+=(--command-config "$command_config")

# allow PRINCIPAL OPERATIONS literal|prefixed topic|group NAME...
allow() {
        local who=$1 operations=$2 pattern=$3 kind=$4 arguments=() x
        shift 4
        for x in $operations; do arguments+=(--operation "$x"); done
        for x in "$@"; do arguments+=("--$kind" "$x"); done
        echo "$who: $operations on $kind $* ($pattern)"
        local line=("${command[@]}" --add --allow-principal "$who"
                --resource-pattern-type "$pattern" "${arguments[@]}")
        if [ -n "$dry_run" ]; then
                echo "  ${line[*]@Q}"
        else
                local said
                said=$("${line[@]}" 2>&1) || { echo "acls.sh: $said" >&2; exit 1; }
        fi
}

lanes=("$prefix.jobs" "$prefix.tasks" "$prefix.tasks.urgent" "$prefix.tasks.mail")
results=$prefix.results
letters=$prefix.dead-letters
intakes=()
for name in "${services[@]}"; do
        topic[$name]=${topic[$name]:-$prefix.intake.$name}
        intakes+=("${topic[$name]}")
done

# Scheduler and aggregator also look whether anybody takes what waits.
allow "$scheduler" "Write Describe" literal topic "${lanes[@]}"
[ ${#intakes[@]} = 0 ] || allow "$scheduler" Describe literal topic "${intakes[@]}"

allow "$worker" "Read Describe" literal topic "${lanes[@]}" "${intakes[@]}"
allow "$worker" "Write Describe" literal topic "${lanes[@]}" "$results" "$letters"
allow "$worker" Read prefixed group "$prefix.worker."

allow "$aggregator" "Read Describe" literal topic "$results"
allow "$aggregator" "Write Describe" literal topic "$letters"
allow "$aggregator" Describe literal topic "${lanes[@]}" "${intakes[@]}"
allow "$aggregator" Read literal group "$prefix.aggregator"

for who in "${operators[@]}"; do
        allow "$who" "Create Alter Describe DescribeConfigs AlterConfigs Read" literal topic \
                "${lanes[@]}" "$results" "$letters" "${intakes[@]}"
        allow "$who" Read prefixed group rollcall-cli-
done
for who in "${readers[@]}"; do
        allow "$who" "Read Describe" literal topic "$results" "$letters"
        allow "$who" Read prefixed group "$prefix.reader."
        allow "$who" Read prefixed group rollcall-cli-
done
for name in "${services[@]}"; do
        allow "${principal[$name]}" "Write Describe" literal topic "${topic[$name]}"
done
