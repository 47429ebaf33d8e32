# Completion of weft(1) for bash: source it, or put it into
# /usr/share/bash-completion/completions/ as `weft`.

# Names of this host's interfaces: those with a control socket.
_weft_interfaces() {
  local socket
  for socket in /run/weft/*.sock; do
    [[ -e $socket ]] || continue
    socket=${socket##*/}
    printf '%s\n' "${socket%.sock}"
  done | sort -u
}

# The words that say which node is meant, as they were typed so far.
_weft_place() {
  local index
  place=()
  for ((index = 1; index + 1 < COMP_CWORD; index++)); do
    case ${COMP_WORDS[index]} in
      -i | --interface | --socket-folder | --context | --at | --certificate | \
        --key | --ca | --revocations | --server-name)
        place+=("${COMP_WORDS[index]}" "${COMP_WORDS[index + 1]}")
        ;;
    esac
  done
}

# Values of the key `name` in what weft prints as JSON; plain names only.
_weft_names() {
  weft "$@" --json 2>/dev/null </dev/null |
    sed -n 's/^ *"name": "\([A-Za-z0-9._-]*\)",\{0,1\}$/\1/p'
}

_weft_peers() {
  local -a place
  _weft_place
  _weft_names peers --timeout 1 "${place[@]}"
}

_weft() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local node='--interface --socket-folder --context --at --certificate --key
    --ca --revocations --server-name --timeout --json'
  local peer='--name --endpoint --allowed-ip --allowed-ips --keepalive
    --persistent-keepalive --preshared-key-file --default-route'
  local net='--interface --config --json'
  local made='--state --name --endpoint --listen --no-start
    --allow-overlap'
  local terms='--name --group --prefix'
  local commands='genkey pubkey genpsk check import export status peers watch top peer
    allow apply confirm reload save log-level offloads upgrade shutdown context pki host
    network explain lock unlock help'
  local command=${COMP_WORDS[1]} words='' values='' files='' options=''
  COMPREPLY=()

  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
    return
  fi
  case $command in
    peer | allow | context | pki | host | network)
      if ((COMP_CWORD == 2)); then
        case $command in
          peer) words='add set remove reset' ;;
          allow) words='add remove' ;;
          context) words='list use' ;;
          pki) words='init issue renew revoke list' ;;
          host) words='up renew leave down guard' ;;
          network) words='init invite tokens revoke-token join issue import
            leave remove members status renew directory rekey backup recover' ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$current")
        return
      fi
      command+=" ${COMP_WORDS[2]}"
      ;;
  esac

  case $command in
    genkey | pubkey | genpsk) options='--json' ;;
    check) options='--strict --json' files=yes ;;
    export) options="$node --running --keys" files=yes ;;
    import) options='--output --strict --json' files=yes ;;
    status) options="$node --verbose" values=_weft_interfaces ;;
    peers | confirm | upgrade | shutdown)
      options=$node values=_weft_interfaces
      ;;
    reload) options="$node --dry-run --confirm --yes" values=_weft_interfaces ;;
    save) options="$node --dry-run" values=_weft_interfaces ;;
    watch) options="$node --count" values=_weft_interfaces ;;
    top) options="$node --interval --once" values=_weft_interfaces ;;
    apply) options="$node --dry-run --confirm --yes --save" files=yes ;;
    lock) options='--config --json' ;;
    unlock) options='--all --json' values=_weft_interfaces ;;
    explain) options="$node --other" values=_weft_peers ;;
    log-level) options="$node --save" words='trace debug info warn error off' ;;
    offloads) options="$node --tun --udp --uring --save" values=_weft_interfaces ;;
    help) words=$commands ;;
    'peer add') options="$node $peer --confirm --yes --save" ;;
    'peer set') options="$node $peer --confirm --yes --save" values=_weft_peers ;;
    'peer reset') options=$node values=_weft_peers ;;
    'allow add') options="$node --confirm --yes --save" values=_weft_peers ;;
    'peer remove' | 'allow remove')
      options="$node --save" values=_weft_peers
      ;;
    'context list') options='--json' ;;
    'context use') options='--json' values='_weft_contexts' ;;
    'pki init') options='--folder --json --name' ;;
    'pki issue') options='--folder --json --role --host --days' ;;
    'pki renew') options='--folder --json --days' ;;
    'pki revoke' | 'pki list') options='--folder --json' ;;
    'network init')
      options="$net $made --range --directory --slice4 --slice6"
      ;;
    'network invite') options="$net $terms --uses --expires" ;;
    'network join') options="$net $made --request --root" ;;
    'network issue') options="$net $terms" files=yes ;;
    'network import') options="$net $made" files=yes ;;
    'network leave') options="$net --force" ;;
    'network renew') options="$net --issuer --directory" ;;
    'network backup') options=$net files=yes ;;
    'network recover') options="$net --store" ;;
    network\ *) options=$net ;;
    'host up' | 'host renew' | 'host guard') options='--config' ;;
    'host down' | 'host leave') options='--unit' ;;
  esac

  case $previous in
    -i | --interface) values=_weft_interfaces options='' words='' files='' ;;
    --context | --other) values=_weft_contexts options='' words='' files='' ;;
    --tun) values='' options='' words='auto off' files='' ;;
    --udp) values='' options='' words='auto off on' files='' ;;
    --role) values='' options='' words='operator viewer node' files='' ;;
    --default-route) values='' options='' words='true false' files='' ;;
    --certificate | --key | --ca | --revocations | --preshared-key-file | \
      --output | -o | --socket-folder | --folder | --config | --state | \
      --request | --root | --store) values='' options='' words='' files=yes ;;
    --at | --server-name | --timeout | --count | --interval | --name | \
      --endpoint | --allowed-ip | --allowed-ips | --keepalive | \
      --persistent-keepalive | --host | --days | --confirm | --range | \
      --slice4 | --slice6 | --listen | --uses | --expires | --group | \
      --prefix | --unit) return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$current")
    return
  fi
  [[ -n $values ]] && words=$("$values")
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$current"
    [[ -n $files ]] && compgen -f -- "$current"
  )
  [[ -n $files ]] && compopt -o filenames 2>/dev/null
  return 0
}

_weft_contexts() {
  echo local
  _weft_names context list
}

complete -F _weft weft
