# Completion of weft(1) for fish: put it into a folder of
# $fish_complete_path.

# Whether the command line begins with `weft` and these words.
function __weft_is
    set -l words (commandline -opc)
    set -l last (math (count $argv) + 1)
    test (count $words) -ge $last
    and test "$words[2..$last]" = "$argv"
end

# Whether it is these words and nothing else.
function __weft_begins
    set -l words (commandline -opc)
    test (count $words) -eq (math (count $argv) + 1)
    and __weft_is $argv
end

# Names of this host's interfaces: those with a control socket.
function __weft_interfaces
    for socket in /run/weft/*.sock
        string replace -r '.*/(.*)\.sock$' '$1' -- $socket
    end | sort -u
end

# Values of the key `name` in what weft prints as JSON; plain names only.
function __weft_names
    weft $argv --json 2>/dev/null </dev/null |
        sed -n 's/^ *"name": "\([A-Za-z0-9._-]*\)",\{0,1\}$/\1/p'
end

function __weft_peers
    set -l words (commandline -opc)
    set -l place
    for index in (seq 2 (count $words))
        switch $words[$index]
            case -i --interface --socket-folder --context --at --certificate --key --ca --revocations --server-name
                set -a place $words[$index] $words[(math $index + 1)]
        end
    end
    __weft_names peers --timeout 1 $place
end

function __weft_contexts
    echo local
    __weft_names context list
end

complete -c weft -f
complete -c weft -s h -l help -d 'Print help'
complete -c weft -s V -l version -d 'Print the version'

# The commands.
set -l first 'test (count (commandline -opc)) -eq 1'
complete -c weft -n $first -a genkey -d 'Print a new private key'
complete -c weft -n $first -a pubkey -d 'Print the public key of a private key'
complete -c weft -n $first -a genpsk -d 'Print a new preshared key'
complete -c weft -n $first -a check -d 'Check a configuration file'
complete -c weft -n $first -a import -d 'Print a wg-quick file as YAML'
complete -c weft -n $first -a export -d 'Print a YAML file for wg-quick, or what runs'
complete -c weft -n $first -a status -d 'Show interfaces and their peers'
complete -c weft -n $first -a peers -d 'Show a line for each peer'
complete -c weft -n $first -a watch -d 'Print what happens'
complete -c weft -n $first -a top -d 'Show what the peers transfer'
complete -c weft -n $first -a peer -d 'Add, change and remove peers'
complete -c weft -n $first -a allow -d 'Add and remove allowed IPs'
complete -c weft -n $first -a apply -d 'Apply a configuration file'
complete -c weft -n $first -a confirm -d 'Keep what was applied on trial'
complete -c weft -n $first -a save -d 'Write what commands changed to the file'
complete -c weft -n $first -a reload -d 'Make the daemon read its file again'
complete -c weft -n $first -a log-level -d 'Change how much the daemon logs'
complete -c weft -n $first -a offloads -d 'What the kernel does for many packets'
complete -c weft -n $first -a upgrade -d 'Go on with the program on disk'
complete -c weft -n $first -a shutdown -d 'End the daemon'
complete -c weft -n $first -a context -d 'Nodes to control from here'
complete -c weft -n $first -a pki -d 'Certificates for remote control'
complete -c weft -n $first -a host -d 'What a node needs of its host as root'
complete -c weft -n $first -a network -d 'Networks that run themselves'
complete -c weft -n $first -a explain -d 'Say what is wrong with a peer'
complete -c weft -n $first -a lock -d 'Let nothing leave but through the tunnel'
complete -c weft -n $first -a unlock -d 'Let traffic leave again'
complete -c weft -n $first -a help -d 'Say how a command is used'
complete -c weft -n '__weft_begins peer' -a 'add set remove reset'
complete -c weft -n '__weft_begins allow' -a 'add remove'
complete -c weft -n '__weft_begins context' -a 'list use'
complete -c weft -n '__weft_begins pki' -a 'init issue renew revoke list'
complete -c weft -n '__weft_begins host' -a 'up renew leave down guard'
complete -c weft -n '__weft_begins network' -a 'init invite tokens revoke-token join issue import leave remove members status renew directory rekey backup recover'
complete -c weft -n '__weft_is host down; or __weft_is host leave' -l unit -x -d 'Unit of systemd that runs it'
complete -c weft -n '__weft_is host up; or __weft_is host renew; or __weft_is host guard' -l config -r -F -d 'Its file'

# Which node they are for.
for command in status peers watch top apply confirm reload save export log-level offloads upgrade shutdown explain \
    'peer add' 'peer set' 'peer remove' 'peer reset' 'allow add' 'allow remove'
    set -l here "__weft_is $command"
    complete -c weft -n $here -s i -l interface -x -a '(__weft_interfaces)'
    complete -c weft -n $here -l socket-folder -r -F
    complete -c weft -n $here -l context -x -a '(__weft_contexts)'
    complete -c weft -n $here -l at -x -d HOST:PORT
    complete -c weft -n $here -l certificate -r -F
    complete -c weft -n $here -l key -r -F
    complete -c weft -n $here -l ca -r -F
    complete -c weft -n $here -l revocations -r -F
    complete -c weft -n $here -l server-name -x
    complete -c weft -n $here -l timeout -x -d Seconds
    complete -c weft -n $here -l json -d 'Print JSON'
end

# What is particular to each.
for command in check import export apply
    complete -c weft -n "__weft_is $command" -F
end
for command in apply reload save
    complete -c weft -n "__weft_is $command" -l dry-run -d 'Say what would change'
end
for command in apply log-level offloads 'peer add' 'peer set' 'peer remove' 'allow add' 'allow remove'
    complete -c weft -n "__weft_is $command" -l save -d 'Write it to the file, too'
end
for command in apply reload 'peer add' 'peer set' 'allow add'
    complete -c weft -n "__weft_is $command" -l confirm -x -d 'Take it back after this time'
    complete -c weft -n "__weft_is $command" -l yes -d 'Also if all traffic goes another way'
end
complete -c weft -n '__weft_is lock' -l config -r -F
complete -c weft -n '__weft_is unlock' -l all -d 'All locks of this host'
complete -c weft -n '__weft_is export' -l running -d 'What runs, as YAML'
complete -c weft -n '__weft_is export' -l keys -d 'With its keys'
complete -c weft -n '__weft_is import' -s o -l output -r -F
for command in genkey pubkey genpsk check import export lock unlock
    complete -c weft -n "__weft_is $command" -l json -d 'Print JSON'
end
complete -c weft -n '__weft_is check' -l strict -d 'Take warnings for mistakes'
complete -c weft -n '__weft_is import' -l strict -d 'Take what is left out for a mistake'
for command in status peers watch top reload offloads upgrade shutdown unlock
    complete -c weft -n "__weft_begins $command" -a '(__weft_interfaces)'
end
complete -c weft -n '__weft_is status' -s v -l verbose -d 'Tell more'
complete -c weft -n '__weft_is watch' -l count -x -d 'End after so many events'
complete -c weft -n '__weft_is top' -l interval -x -d Seconds
complete -c weft -n '__weft_is top' -l once -d 'Print one screen'
complete -c weft -n '__weft_begins log-level' -a 'trace debug info warn error off'
complete -c weft -n '__weft_is offloads' -l tun -x -a 'auto off'
complete -c weft -n '__weft_is offloads' -l udp -x -a 'auto off on'
complete -c weft -n '__weft_is offloads' -l uring -x -a 'auto off'
complete -c weft -n '__weft_is explain' -l other -x -a '(__weft_contexts)'
for command in explain 'peer set' 'peer remove' 'peer reset' 'allow add' 'allow remove'
    complete -c weft -n "__weft_begins $command" -a '(__weft_peers)'
end
for command in 'peer add' 'peer set'
    set -l here "__weft_is $command"
    complete -c weft -n $here -l name -x
    complete -c weft -n $here -l endpoint -x -d HOST:PORT
    complete -c weft -n $here -l allowed-ip -x -d ADDRESS/LENGTH
    complete -c weft -n $here -l allowed-ips -x -d ADDRESS/LENGTH
    complete -c weft -n $here -l keepalive -x
    complete -c weft -n $here -l persistent-keepalive -x
    complete -c weft -n $here -l preshared-key-file -r -F
    complete -c weft -n $here -l default-route -x -a 'true false'
end
complete -c weft -n '__weft_is context' -l json -d 'Print JSON'
complete -c weft -n '__weft_begins context use' -a '(__weft_contexts)'
complete -c weft -n '__weft_is pki' -l folder -r -F
complete -c weft -n '__weft_is pki' -l json -d 'Print JSON'
complete -c weft -n '__weft_is pki init' -l name -x
complete -c weft -n '__weft_is pki issue' -l role -x -a 'operator viewer node'
complete -c weft -n '__weft_is pki issue' -l host -x
complete -c weft -n '__weft_is pki issue' -l days -x
complete -c weft -n '__weft_is pki renew' -l days -x
complete -c weft -n '__weft_is network' -s i -l interface -x -a '(__weft_interfaces)'
complete -c weft -n '__weft_is network' -l config -r -F -d 'Its file'
complete -c weft -n '__weft_is network' -l json -d 'Print JSON'
for command in init join import
    set -l here "__weft_is network $command"
    complete -c weft -n $here -l state -r -F
    complete -c weft -n $here -l endpoint -x -d HOST:PORT
    complete -c weft -n $here -l listen -x -d Port
    complete -c weft -n $here -l no-start -d 'Start nothing'
    complete -c weft -n $here -l allow-overlap -d 'Also ranges that the host uses'
end
for command in init join import invite issue
    complete -c weft -n "__weft_is network $command" -l name -x
end
for command in invite issue
    complete -c weft -n "__weft_is network $command" -l group -x
    complete -c weft -n "__weft_is network $command" -l prefix -x -d ADDRESS/LENGTH
end
complete -c weft -n '__weft_is network init' -l range -x -d ADDRESS/LENGTH
complete -c weft -n '__weft_is network init' -l directory -x -d HOST:PORT
complete -c weft -n '__weft_is network init' -l slice4 -x
complete -c weft -n '__weft_is network init' -l slice6 -x
complete -c weft -n '__weft_is network invite' -l uses -x
complete -c weft -n '__weft_is network invite' -l expires -x -d Time
complete -c weft -n '__weft_is network join' -l request -r -F
complete -c weft -n '__weft_is network join' -l root -r -F
complete -c weft -n '__weft_is network issue' -F
complete -c weft -n '__weft_is network import' -F
complete -c weft -n '__weft_is network backup' -F
complete -c weft -n '__weft_is network recover' -l store -r -F
complete -c weft -n '__weft_is network leave' -l force -d 'Also if nobody can be told'
complete -c weft -n '__weft_is network renew' -l issuer -d 'The one of the issuer'
complete -c weft -n '__weft_is network renew' -l directory -d 'The one of the directory'
