# ruff: noqa: E501  (a pattern broken over lines is harder to compare with the line that it is for)
"""What sshd, PAM, sudo, su, login managers, cron and the account tools say, as patterns: see `_patterns`."""

from __future__ import annotations

from vizsla.sources._patterns import Pattern as P
from vizsla.sources._patterns import Patterns

_FROM = r"(?P<source>\S+)(?: port (?P<source_port>\d+))?"
_PRE = r"(?: \[preauth\])?"
_WHO = r"(?:(?:authenticating |invalid )?user (?P<user>.*?) )?"
_PAM = r"pam_(?P<pam_module>\w+)\((?P<service>[^:)]*):(?P<pam_type>\w+)\): "
_FAILURE = (
    r"logname=(?P<logname>\S*) uid=(?P<uid>\S*) euid=(?P<euid>\S*) tty=(?P<tty>\S*) ruser=(?P<ruser>\S*) "
    r"rhost=(?P<source>\S*)(?:\s+user=(?P<user>.*?))?\s*"
)
_OPENED = r"session opened for user (?P<user>[^\s(]+)(?:\(uid=(?P<target_uid>\d+)\))? by (?P<ruser>[^(]*)(?:\(uid=(?P<uid>\d+)\))?"
_LOGON_FAILED = {"action": "logon", "outcome": "failure"}
_LOGON = {"action": "logon", "outcome": "success"}

# The usual lines once more, at most four values each and never two ways to go on: RE2 takes them at thrice the speed.
_NEXT = r"from (?P<source>[^ ]+) port (?P<source_port>[0-9]+) ssh2"
_SSHD_USUAL = (
    P(rf"Failed (?P<method>[^ ]+) for (?P<user>[^ ]*) {_NEXT}", {**_LOGON_FAILED, "protocol": "ssh2"}),
    P(rf"Failed (?P<method>[^ ]+) for invalid user (?P<user>[^ ]*) {_NEXT}",
      {**_LOGON_FAILED, "protocol": "ssh2", "reason": "unknown user"}),
    P(rf"Accepted (?P<method>[^ ]+) for (?P<user>[^ ]*) {_NEXT}", {**_LOGON, "protocol": "ssh2"}),
    P(r"Received disconnect from (?P<source>[^ :]+): (?P<code>[0-9]+): Bye Bye \[preauth\]",
      {"action": "disconnect", "reason": "Bye Bye"}),
    P(r"Received disconnect from (?P<source>[^ ]+) port (?P<source_port>[0-9]+):(?P<code>[0-9]+): Bye Bye \[preauth\]",
      {"action": "disconnect", "reason": "Bye Bye"}),
    P(r"Connection closed by (?P<source>[^ ]+) port (?P<source_port>[0-9]+) \[preauth\]",
      {"action": "disconnect", "reason": "closed by the client"}),
    P(r"Invalid user (?P<user>[^ ]*) from (?P<source>[^ ]+)", {"action": "unknown-user", "outcome": "failure"}),
    P(r"Invalid user (?P<user>[^ ]*) from (?P<source>[^ ]+) port (?P<source_port>[0-9]+)",
      {"action": "unknown-user", "outcome": "failure"}),
)  # fmt: skip
_END = r"ruser= rhost=(?P<source>[^ ]*)(?: (?: ?user=(?P<user>[^ ]*))?)?"
_ROOT = {"action": "pam-authentication", "outcome": "failure", "uid": "0", "euid": "0"}
_UNIX = {"pam_module": "unix", "pam_type": "session"}
_PAM_USUAL = (
    P(rf"pam_unix\(sshd:auth\): authentication failure; logname= uid=0 euid=0 tty=ssh {_END}",
      {**_ROOT, "pam_module": "unix", "service": "sshd", "pam_type": "auth", "tty": "ssh"}),
    P(rf"authentication failure; logname= uid=0 euid=0 tty=NODEVssh {_END}", {**_ROOT, "tty": "NODEVssh"}),
    P(r"pam_unix\((?P<service>[^:)]+):session\): session opened for user (?P<user>[^ (]+) by \(uid=(?P<uid>[0-9]+)\)",
      {**_UNIX, "action": "session-opened"}),
    P(r"pam_unix\((?P<service>[^:)]+):session\): session opened for user (?P<user>[^ (]+)\(uid=(?P<target_uid>[0-9]+)\) by "
      r"\(uid=(?P<uid>[0-9]+)\)", {**_UNIX, "action": "session-opened"}),
    P(r"pam_unix\((?P<service>[^:)]+):session\): session closed for user (?P<user>[^ ]+)",
      {**_UNIX, "action": "session-closed"}),
)  # fmt: skip

SSHD = (
    *_SSHD_USUAL,
    P(rf"Accepted (?P<method>\S+) for (?P<user>.*) from {_FROM}(?: (?P<protocol>ssh\S*?))?(?:: (?P<key>.*))?", _LOGON),
    P(rf"Failed (?P<method>\S+) for (?:invalid|illegal) user (?P<user>.*) from {_FROM}(?: (?P<protocol>ssh\S*?))?(?:: (?P<key>.*))?",
      {**_LOGON_FAILED, "reason": "unknown user"}),
    P(rf"Failed (?P<method>\S+) for (?P<user>.*) from {_FROM}(?: (?P<protocol>ssh\S*?))?(?:: (?P<key>.*))?", _LOGON_FAILED),
    P(rf"Postponed (?P<method>\S+) for (?:invalid user )?(?P<user>.*) from {_FROM}(?: (?P<protocol>ssh\S*))?{_PRE}",
      {"action": "logon-postponed"}),
    P(rf"Partial (?P<method>\S+) for (?P<user>.*) from {_FROM}(?: (?P<protocol>ssh\S*))?.*", {"action": "logon-partial"}),
    P(rf"I(?:nvalid|llegal) user (?P<user>.*) from {_FROM}", {"action": "unknown-user", "outcome": "failure"}),
    P(rf"input_userauth_request: invalid user (?P<user>.*?){_PRE}", {"action": "unknown-user", "outcome": "failure"}),
    P(rf"Received disconnect from (?P<source>\S+?)(?: port (?P<source_port>\d+))?: ?(?P<code>\d+): ?(?P<reason>.*?){_PRE}",
      {"action": "disconnect"}),
    P(rf"error: Received disconnect from (?P<source>\S+?)(?: port (?P<source_port>\d+))?: ?(?P<code>\d+): ?(?P<reason>.*?){_PRE}",
      {"action": "disconnect"}),
    P(rf"Disconnected from {_WHO}{_FROM}{_PRE}", {"action": "disconnect"}),
    P(rf"Connection closed by {_WHO}{_FROM}{_PRE}", {"action": "disconnect", "reason": "closed by the client"}),
    P(rf"Connection reset by {_WHO}{_FROM}{_PRE}", {"action": "disconnect", "reason": "reset by the client"}),
    P(rf"Disconnecting {_WHO}{_FROM}: (?P<reason>.*?){_PRE}", {"action": "disconnect"}),
    P(rf"Disconnecting: (?P<reason>Too many authentication failures) for (?P<user>.*?){_PRE}", {"action": "disconnect"}),
    P(rf"error: maximum authentication attempts exceeded for (?:invalid user )?(?P<user>.*) from {_FROM}(?: (?P<protocol>ssh\S*))?{_PRE}",
      {"action": "disconnect", "reason": "maximum authentication attempts exceeded"}),
    P(rf"error: PAM: (?P<reason>.*) for (?:illegal user |invalid user )?(?P<user>.*) from {_FROM}", _LOGON_FAILED),
    P(rf"Did not receive identification string from {_FROM}", {"action": "probe"}),
    P(rf"Bad protocol version identification (?P<reason>'.*') from {_FROM}", {"action": "probe"}),
    P(rf"banner exchange: Connection from {_FROM}: (?P<reason>.*)", {"action": "probe"}),
    P(rf"Unable to negotiate with {_FROM}: (?P<reason>.*?){_PRE}", {"action": "probe"}),
    P(r"reverse mapping checking getaddrinfo for (?P<source_name>\S+) \[(?P<source>[^\]\s]+)\] failed.*",
      {"action": "reverse-mapping-failed"}),
    P(r"Address (?P<source>\S+) maps to (?P<source_name>\S+?),? but this does not map back.*",
      {"action": "reverse-mapping-failed"}),
    P(rf"Connection from {_FROM} on (?P<destination>\S+) port (?P<destination_port>\d+).*", {"action": "connection"}),
    P(r"User (?P<user>.*) from (?P<source>\S+) not allowed because (?P<reason>.*)", _LOGON_FAILED),
    P(rf"ROOT LOGIN REFUSED FROM {_FROM}{_PRE}", {**_LOGON_FAILED, "user": "root", "reason": "root login refused"}),
    P(rf"Starting session: (?P<session>.*) for (?P<user>\S+) from {_FROM}.*", {"action": "session-started"}),
    P(r"subsystem request for (?P<session>\S+) (?:by user (?P<user>\S+).*|failed, .*)", {"action": "session-started"}),
    P(r"Server listening on (?P<destination>\S+) port (?P<destination_port>\d+)\.", {"action": "listening"}),
    P(r"P(?:assword|ubkey) auth succeeded for '(?P<user>[^']*)'.* from (?P<source>\S+):(?P<source_port>\d+)", _LOGON),
    P(r"Bad (?P<method>\S+) attempt for '(?P<user>[^']*)' from (?P<source>\S+):(?P<source_port>\d+)", _LOGON_FAILED),
    P(r"Login attempt for nonexistent user(?: '(?P<user>[^']*)')? from (?P<source>\S+):(?P<source_port>\d+)",
      {**_LOGON_FAILED, "reason": "unknown user"}),
)  # fmt: skip

PAM = (
    *_PAM_USUAL,
    P(rf"{_PAM}authentication failure; {_FAILURE}", {"action": "pam-authentication", "outcome": "failure"}),
    P(rf"{_PAM}check pass; user unknown", {"action": "unknown-user", "outcome": "failure"}),
    P(rf"{_PAM}{_OPENED}", {"action": "session-opened"}),
    P(rf"{_PAM}session closed for user (?P<user>\S+)", {"action": "session-closed"}),
    P(rf"{_PAM}password changed for (?P<user>\S+)", {"action": "password-changed"}),
    P(rf"{_PAM}account (?P<user>\S+) has (?P<reason>expired.*|password changed.*)", _LOGON_FAILED),
    P(rf"{_PAM}(?P<reason>.*) for user (?P<user>\S+)", {"action": "pam"}),
    P(rf"{_PAM}(?P<reason>.*)", {"action": "pam"}),
    P(rf"PAM (?P<count>\d+) more authentication failures?; {_FAILURE}",
      {"action": "pam-authentication", "outcome": "failure"}),
    P(r"PAM service\((?P<service>[^)]*)\) ignoring max retries; (?P<reason>.*)", {"action": "too-many-retries"}),
    # What PAM wrote before 2006, with the module in the program's name.
    P(rf"authentication failure; {_FAILURE}", {"action": "pam-authentication", "outcome": "failure"}),
    P(r"check pass; user unknown", {"action": "unknown-user", "outcome": "failure"}),
    P(_OPENED, {"action": "session-opened"}),
    P(r"session closed for user (?P<user>\S+)", {"action": "session-closed"}),
)  # fmt: skip

_SUDO = (
    r"TTY=(?P<tty>\S+) ; PWD=(?P<pwd>.*?) ; USER=(?P<target_user>\S+) ;(?: GROUP=(?P<group>\S+) ;)?(?: TSID=(?P<session>\S+) ;)?"
    r"(?: ENV=(?P<environment>.*?) ;)? COMMAND=(?P<command>.*)"
)
SUDO = (
    P(r"\s*(?P<user>[^ ]+) : TTY=(?P<tty>[^ ]+) ; PWD=(?P<pwd>[^ ]+) ; USER=root ; COMMAND=(?P<command>.*)",
      {"action": "privileged-command", "outcome": "success", "target_user": "root"}),
    P(rf"\s*(?P<user>\S+) : {_SUDO}", {"action": "privileged-command", "outcome": "success"}),
    P(rf"\s*(?P<user>\S+) : (?P<reason>.*?) ; {_SUDO}", {"action": "privileged-command", "outcome": "failure"}),
    P(r"(?P<user>\S+): Executing command \[USER=(?P<target_user>[^\]]*)\] \[TTY=(?P<tty>[^\]]*)\] \[CWD=(?P<pwd>[^\]]*)\] "
      r"\[COMMAND=(?P<command>.*)\]", {"action": "privileged-command", "outcome": "success"}),
    P(r"(?P<user>\S+): The value for environment variable (?P<reason>.*)",
      {"action": "privileged-command", "outcome": "failure"}),
)  # fmt: skip

_SU, _SU_FAILED = {"action": "user-switched", "outcome": "success"}, {"action": "user-switched", "outcome": "failure"}
SU = (
    P(r"Successful su for (?P<target_user>\S+) by (?P<user>\S+)", _SU),
    P(r"FAILED su for (?P<target_user>\S+) by (?P<user>\S+)", _SU_FAILED),
    P(r"\(to (?P<target_user>\S+)\) (?P<user>\S+) on (?P<tty>\S+)", _SU),
    P(r"FAILED SU \(to (?P<target_user>\S+)\) (?P<user>\S+) on (?P<tty>\S+)", _SU_FAILED),
    P(r"'su (?P<target_user>[^']+)' succeeded for (?P<user>\S+) on (?P<tty>\S+)", _SU),
    P(r"'su (?P<target_user>[^']+)' failed for (?P<user>\S+) on (?P<tty>\S+)", _SU_FAILED),
    P(r"\+ (?P<tty>\S+) (?P<user>[^\s:]+)[:-](?P<target_user>\S+)", _SU),
    P(r"- (?P<tty>\S+) (?P<user>[^\s:]+)[:-](?P<target_user>\S+)", _SU_FAILED),
    P(r"pam_authenticate: (?P<reason>.*)", _SU_FAILED),
)

LOGIN = (
    P(r"LOGIN ON (?P<tty>\S+) BY (?P<user>\S+)(?: FROM (?P<source>\S+))?", _LOGON),
    P(r"ROOT LOGIN +(?:ON|on) '?(?P<tty>[^\s']+)'?(?: FROM (?P<source>\S+))?", {**_LOGON, "user": "root"}),
    P(r"FAILED LOGIN (?:SESSION )?(?:\(?(?P<count>\d+)\)? )?(?:on|ON|FROM) '?(?P<tty>[^\s',]+)'?(?: from '(?P<source>[^']+)')? FOR '?"
      r"(?P<user>[^',]*)'?, (?P<reason>.*)", _LOGON_FAILED),
    P(r"Authentication failed from (?P<source_name>\S+) \((?P<source>[^)]*)\): (?P<reason>.*)", _LOGON_FAILED),
    P(r"Kerberos authentication failed\s*", {**_LOGON_FAILED, "reason": "Kerberos authentication failed"}),
    P(r"Couldn't authenticate user", _LOGON_FAILED),
    P(r"New session (?P<session>\S+) of user (?P<user>.+?)\.?", {"action": "session-opened"}),
    P(r"New session '(?P<session>[^']+)' of user '(?P<user>[^']+)'.*", {"action": "session-opened"}),
    P(r"Session (?P<session>\S+) logged out\. .*", {"action": "session-closed"}),
    P(r"Removed session (?P<session>\S+)\.", {"action": "session-removed"}),
    P(r"Operator of (?P<session>unix-\S+) successfully authenticated as unix-user:(?P<target_user>\S+) to gain (?P<reason>.*)",
      {"action": "privileges-given", "outcome": "success"}),
    P(r"Operator of (?P<session>unix-\S+) FAILED to authenticate (?:as unix-user:(?P<target_user>\S+) )?to gain (?P<reason>.*)",
      {"action": "privileges-given", "outcome": "failure"}),
)  # fmt: skip

IAM = (
    P(r"new user: name=(?P<user>[^,]*), UID=(?P<uid>\d+), GID=(?P<gid>\d+), home=(?P<home>[^,]*), shell=(?P<shell>[^,]*)"
      r"(?:, from=(?P<tty>.*))?", {"action": "user-created"}),
    P(r"new group: name=(?P<group>[^,]*), GID=(?P<gid>\d+)", {"action": "group-created"}),
    P(r"group added to (?P<file>\S+): name=(?P<group>[^,]*)(?:, GID=(?P<gid>\d+))?", {"action": "group-created"}),
    P(r"add(?:ed)? (?:user )?'(?P<user>[^']*)' to (?:shadow )?group '(?P<group>[^']*)'", {"action": "group-member-added"}),
    P(r"delete '(?P<user>[^']*)' from (?:shadow )?group '(?P<group>[^']*)'", {"action": "group-member-removed"}),
    P(r"user (?P<user>\S+) added by (?P<actor>\S+) to group (?P<group>\S+)", {"action": "group-member-added"}),
    P(r"user (?P<user>\S+) removed by (?P<actor>\S+) from group (?P<group>\S+)", {"action": "group-member-removed"}),
    P(r"members of group (?P<group>\S+) set by (?P<actor>\S+) to (?P<reason>.*)", {"action": "group-member-added"}),
    P(r"delete user '(?P<user>[^']*)'", {"action": "user-deleted"}),
    P(r"removed (?:shadow )?group '(?P<group>[^']*)'(?: owned by '(?P<user>[^']*)')?", {"action": "group-deleted"}),
    P(r"group '(?P<group>[^']*)' removed(?: from (?P<file>\S+))?", {"action": "group-deleted"}),
    P(r"remove group '(?P<group>[^']*)'", {"action": "group-deleted"}),
    P(r"group changed in (?P<file>\S+) \(group (?P<group>[^/,)]+).*", {"action": "group-changed"}),
    P(r"change user '(?P<user>[^']*)' password", {"action": "password-changed"}),
    P(r"change user '(?P<user>[^']*)' (?P<reason>.*)", {"action": "user-changed"}),
    P(r"changed user '(?P<user>[^']*)' (?P<reason>.*)", {"action": "user-changed"}),
    P(r"unlock user '(?P<user>[^']*)' password", {"action": "user-unlocked"}),
    P(r"lock user '(?P<user>[^']*)' password", {"action": "user-locked"}),
    P(r"password for '(?P<user>[^']*)' changed by '(?P<actor>[^']*)'", {"action": "password-changed"}),
    P(r"changed password expiry for (?P<user>\S+)", {"action": "user-changed"}),
    P(r"failed adding user '(?P<user>[^']*)'(?:, (?P<reason>.*))?", {"action": "user-created", "outcome": "failure"}),
)  # fmt: skip

CRON = Patterns(
    P(r"\((?P<user>[^)]*)\) CMD \((?P<command>.*)\)\s*", {"action": "command-run"}),
    P(r"\((?P<user>[^)]*)\) (?P<operation>BEGIN EDIT|END EDIT|REPLACE|DELETE|LIST|RELOAD) \((?P<target>.*)\)",
      {"action": "crontab"}),
    P(r"\((?P<user>[^)]*)\) (?P<operation>[A-Z][A-Z ]*) \((?P<target>.*)\)", {"action": "notice"}),
)  # fmt: skip

SYSTEMD = Patterns(
    *(
        P(rf"{verb} (?:(?P<unit>\S+\.(?:service|socket|timer|mount|path|target|scope|slice)) - )?(?P<unit_description>.*?)\.*",
          {"action": action})
        for verb, action in (
            ("Started", "service-started"), ("Starting", "service-starting"), ("Stopped", "service-stopped"),
            ("Stopping", "service-stopping"), ("Reloaded", "service-reloaded"), ("Finished", "service-finished"),
            ("Failed to start", "service-failed"), ("Mounted", "mounted"), ("Reached target", "target-reached"),
            ("Listening on", "socket-listening"), ("Created slice", "slice-created"),
        )
    ),
    P(r"(?P<unit>\S+\.\w+): (?P<reason>Failed with result .*)", {"action": "service-failed"}),
    P(r"(?P<unit>\S+\.\w+): (?P<reason>Main process exited, code=(?P<exit_code>\w+), status=(?P<exit_status>.*))",
      {"action": "service-exited"}),
    P(r"(?P<unit>\S+\.\w+): (?P<reason>.*)", {"action": "service"}),
)  # fmt: skip

AUTH = {
    "sshd": Patterns(*SSHD, *PAM),
    "sudo": Patterns(*SUDO, *PAM),
    "su": Patterns(*SU, *PAM),
    "login": Patterns(*LOGIN, *PAM),
    "iam": Patterns(*IAM, *PAM),
    "pam": Patterns(*PAM),
}
# Which of these a program speaks; every other program's lines count as authentication where PAM wrote them.
PROGRAMS = {
    **dict.fromkeys(("sshd", "sshd-session", "sshd-auth", "dropbear"), "sshd"),
    **dict.fromkeys(("sudo", "pkexec", "sudoedit", "doas"), "sudo"),
    **dict.fromkeys(("su", "runuser"), "su"),
    **dict.fromkeys(("login", "systemd-logind", "elogind", "klogind", "gdm", "gdm-binary", "gdm-password", "lightdm",
                     "sddm", "sddm-helper", "polkitd", "polkit-agent-helper-1", "remote", "rlogind", "root"), "login"),
    **dict.fromkeys(("useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "gpasswd", "passwd",
                     "chpasswd", "chage", "chfn", "chsh", "newusers", "adduser", "deluser", "groupmems"), "iam"),
}  # fmt: skip
CRONS = frozenset(("cron", "crond", "anacron", "crontab", "atd", "fcron", "cronie"))
