#!/usr/bin/env bash
# A Ceph object gateway, which is a real S3 server: checks signatures, keeps everything in memory, listens on loopback.
# usage: ceph.sh FOLDER MON_PORT MON_PORT_V1 S3_PORT; the daemons' process ids are in FOLDER/run/*.pid
set -euo pipefail
folder=$1 mon="[v2:127.0.0.1:$2,v1:127.0.0.1:$3]" port=$4
mkdir -p "$folder"/{mon,osd,rgw,run}
export CEPH_CONF="$folder/ceph.conf"
cluster=$(cat /proc/sys/kernel/random/uuid)
cat > "$CEPH_CONF" <<CONF
[global]
fsid = $cluster
mon_host = $mon
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
admin_socket = $folder/run/\$name.asok
pid_file = $folder/run/\$name.pid
log_file = $folder/\$name.log
keyring = $folder/keyring
run_dir = $folder/run
crash_dir = $folder/run
[mon]
mon_data = $folder/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[osd]
osd_data = $folder/osd
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_class_load_list = *
osd_class_default_list = *
[client.rgw.a]
rgw_data = $folder/rgw
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_s3_auth_use_sts = true
rgw_sts_key = $(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')
ms_mon_client_mode = crc
CONF
monmaptool --create --fsid "$cluster" --addv a "$mon" "$folder/monmap" > /dev/null
ceph-mon --id a --mkfs --monmap "$folder/monmap"
ceph-mon --id a
disk=$(cat /proc/sys/kernel/random/uuid)
timeout 30 ceph osd new "$disk" > /dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$disk" 2> /dev/null
ceph-osd -i 0
for _ in $(seq 60); do timeout 10 ceph osd stat | grep -q '1 up' && break; sleep 0.5; done
timeout 60 radosgw-admin -n client.rgw.a user create --uid=airside --display-name=airside \
  --access-key="$AIRSIDE_S3_KEY" --secret-key="$AIRSIDE_S3_SECRET" --caps="roles=*;oidc-provider=*" > /dev/null
radosgw -n client.rgw.a
