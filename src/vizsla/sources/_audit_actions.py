"""What an audit event says was done, in a word."""

from __future__ import annotations

from collections.abc import Sequence

Fields = dict[str, str]
_CALLS = {
    "process-started": ("execve", "execveat"),
    "connection": ("connect",),
    "connection-accepted": ("accept", "accept4"),
    "port-bound": ("bind",),
    "file-deleted": ("unlink", "unlinkat", "rmdir"),
    "file-renamed": ("rename", "renameat", "renameat2"),
    "file-linked": ("link", "linkat", "symlink", "symlinkat"),
    "file-attributes-changed": ("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
                                "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
    "file-time-changed": ("utime", "utimes", "utimensat", "futimesat"),
    "file-written": ("truncate", "ftruncate"),
    "directory-created": ("mkdir", "mkdirat"),
    "process-accessed": ("ptrace", "process_vm_readv", "process_vm_writev"),
    "process-signalled": ("kill", "tkill", "tgkill"),
    "driver-loaded": ("init_module", "finit_module"),
    "driver-unloaded": ("delete_module",),
    "mounted": ("mount", "move_mount"),
    "clock-changed": ("adjtimex", "settimeofday", "clock_settime", "clock_adjtime"),
}  # fmt: skip
CALLS = {call: action for action, calls in _CALLS.items() for call in calls}
OPENS = frozenset(("open", "openat", "openat2", "creat", "open_by_handle_at"))
OPENED = {"CREATE": "file-created", "DELETE": "file-deleted"}
TYPES = {
    "USER_AUTH": "authentication", "USER_ACCT": "account-checked", "USER_LOGIN": "logon", "USER_LOGOUT": "logoff",
    "USER_START": "session-opened", "USER_END": "session-closed", "CRED_ACQ": "credentials-acquired",
    "CRED_DISP": "credentials-disposed", "CRED_REFR": "credentials-refreshed", "USER_ERR": "authentication",
    "USER_CMD": "privileged-command", "LOGIN": "login-id-set", "USER_ROLE_CHANGE": "role-changed",
    "ADD_USER": "user-created", "DEL_USER": "user-deleted", "ADD_GROUP": "group-created", "DEL_GROUP": "group-deleted",
    "USER_MGMT": "user-changed", "GRP_MGMT": "group-changed", "USER_CHAUTHTOK": "password-changed",
    "GRP_CHAUTHTOK": "group-changed", "ACCT_LOCK": "user-locked", "ACCT_UNLOCK": "user-unlocked",
    "SERVICE_START": "service-started", "SERVICE_STOP": "service-stopped", "SYSTEM_BOOT": "system-booted",
    "SYSTEM_SHUTDOWN": "system-stopped", "SYSTEM_RUNLEVEL": "system-runlevel", "DAEMON_START": "audit-started",
    "DAEMON_END": "audit-stopped", "DAEMON_ABORT": "audit-stopped", "CONFIG_CHANGE": "audit-changed",
    "KERN_MODULE": "driver-loaded", "TTY": "keys-typed", "USER_TTY": "keys-typed", "AVC": "access-decided",
    "USER_AVC": "access-decided", "SECCOMP": "call-refused", "ANOM_ABEND": "process-crashed",
    "ANOM_PROMISCUOUS": "promiscuous-mode", "NETFILTER_CFG": "firewall-changed", "MAC_STATUS": "access-rules-changed",
    "MAC_POLICY_LOAD": "access-rules-changed", "BPF": "bpf",
}  # fmt: skip
_OUTCOME = {
    "yes": "success",
    "success": "success",
    "1": "success",
    "no": "failure",
    "failed": "failure",
    "0": "failure",
}


def action_of(row: Fields, kinds: Sequence[str]) -> Fields:
    """`action` and `outcome` of an event, each where its records tell it."""
    found: Fields = {}
    call = row.get("syscall_name", row.get("syscall", ""))
    action = TYPES.get(kinds[0])
    if "EXECVE" in kinds or any(kind.endswith("_EXECVE") for kind in kinds):
        action = "process-started"
    elif action is None and call in OPENS:
        action = OPENED.get(row.get("nametype", ""), "file-opened")
    elif action is None:
        action = CALLS.get(call)
    if action is None:
        action = next((TYPES[kind] for kind in kinds if kind in TYPES), None)
    if action:
        found["action"] = action
    if outcome := _OUTCOME.get(row.get("res") or row.get("success") or ""):
        found["outcome"] = outcome
    return found
