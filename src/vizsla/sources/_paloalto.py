"""The names of the fields of PAN-OS logs, in the order in which the firewall writes them.

Names are PAN-OS's own for the fields (`src`, `natsrc`, `rule`); those that it keeps for later are `future_use…`.
Newer versions add fields at the end: what goes beyond the names is `field98` and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

_HEAD = "future_use1 receive_time serial type subtype config_version time_generated"
_SESSION = (
    "src dst natsrc natdst rule srcuser dstuser app vsys from to inbound_if outbound_if logset time_logged sessionid"
    " repeatcnt sport dport natsport natdport flags proto action"
)
_GROUPS = "dg_hier_level_1 dg_hier_level_2 dg_hier_level_3 dg_hier_level_4 vsys_name device_name"
_DEVICES = (
    "src_category src_profile src_model src_vendor src_osfamily src_osversion src_host src_mac dst_category"
    " dst_profile dst_model dst_vendor dst_osfamily dst_osversion dst_host dst_mac container_id pod_namespace pod_name"
    " src_edl dst_edl hostid serialnumber"
)
_APP = (
    "subcategory_of_app category_of_app technology_of_app risk_of_app characteristic_of_app container_of_app"
    " tunneled_app is_saas_of_app sanctioned_state_of_app"
)
TYPES: dict[str, tuple[str, ...]] = {
    "TRAFFIC": tuple(
        f"{_HEAD} {_SESSION} bytes bytes_sent bytes_received packets start elapsed category future_use2 seqno"
        f" actionflags srcloc dstloc future_use3 pkts_sent pkts_received session_end_reason {_GROUPS} action_source"
        " src_uuid dst_uuid tunnelid_imsi monitortag_imei parent_session_id parent_start_time tunnel assoc_id chunks"
        " chunks_sent chunks_received rule_uuid http2_connection link_change_count policy_id link_switches"
        " sdwan_cluster sdwan_device_type sdwan_cluster_type sdwan_site dynusergroup_name xff_ip"
        f" {_DEVICES} src_dag dst_dag session_owner high_res_timestamp nsdsai_sst nsdsai_sd {_APP} offloaded".split()
    ),
    "THREAT": tuple(
        f"{_HEAD} {_SESSION} misc threatid category severity direction seqno actionflags srcloc dstloc future_use2"
        " contenttype pcap_id filedigest cloud url_idx user_agent filetype xff referer sender subject recipient"
        f" reportid {_GROUPS} future_use3 src_uuid dst_uuid http_method tunnelid_imsi monitortag_imei"
        " parent_session_id parent_start_time tunnel thr_category contentver future_use4 assoc_id ppid http_headers"
        " url_category_list rule_uuid http2_connection dynusergroup_name xff_ip"
        f" {_DEVICES} domain_edl src_dag dst_dag partial_hash high_res_timestamp reason justification nsdsai_sst"
        f" {_APP}".split()
    ),
    "SYSTEM": tuple(
        f"{_HEAD} vsys eventid object future_use2 future_use3 module severity opaque seqno actionflags {_GROUPS}"
        " future_use4 future_use5 high_res_timestamp".split()
    ),
    "CONFIG": tuple(
        f"{_HEAD} host vsys cmd admin client result path before_change_detail after_change_detail seqno actionflags"
        f" {_GROUPS} dg_id comment future_use2 high_res_timestamp".split()
    ),
    "GLOBALPROTECT": tuple(
        f"{_HEAD} vsys eventid stage auth_method tunnel_type srcuser srcregion machinename public_ip public_ipv6"
        " private_ip private_ipv6 hostid serialnumber client_ver client_os client_os_ver repeatcnt reason error opaque"
        " status location login_duration connect_method error_code portal seqno actionflags high_res_timestamp"
        f" selection_type response_time priority attempted_gateways gateway {_GROUPS} vsys_id".split()
    ),
    "USERID": tuple(
        f"{_HEAD} vsys ip user datasourcename eventid repeatcnt timeout beginport endport datasource datasourcetype"
        f" seqno actionflags {_GROUPS} vsys_id factortype factorcompletiontime factorno ugflags userbysource tag_name"
        " high_res_timestamp origindatasource future_use2 cluster_name".split()
    ),
}
_ANY = tuple(_HEAD.split())
_DETAILS = ("before_change_detail", "after_change_detail")


def names(kind: str, values: Sequence[str]) -> tuple[str, ...]:
    """The names of a record's values. A configuration log has the details of a change only where it was told to."""
    known = TYPES.get(kind, _ANY)
    if kind == "CONFIG" and len(values) > 15 and values[14].isdigit() and values[15].startswith("0x"):
        known = tuple(name for name in known if name not in _DETAILS)
    return known[: len(values)] + tuple(f"field{n}" for n in range(len(known) + 1, len(values) + 1))
