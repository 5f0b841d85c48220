"""HDFS: real name nodes and a data node in Java, from Maven Central; with WebHDFS, by TLS or Kerberos and HttpFS where a test
wants it.

Their superuser is `hdfs`; everybody may write below /.  What is started is stopped by its process."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
from cluster import Process, free_port  # noqa: E402  pylint: disable=wrong-import-position
from rest_client import wait_until  # noqa: E402  pylint: disable=wrong-import-position

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import maven  # noqa: E402  pylint: disable=wrong-import-position

PATIENCE = 300  # seconds: machines that do much else take long to start it
SUPERUSER, USER = "hdfs", "flink"
NAME_NODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
DATA_NODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"
ADMIN = "org.apache.hadoop.hdfs.tools.DFSHAAdmin"
HTTP_FS = "org.apache.hadoop.fs.http.server.HttpFSServerWebServer"
OPENED = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "io", "util", "net", "nio")]
OPENED += ["--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED"]
PASSWORD = "of-the-test"
LOGGING = """log4j.rootLogger=WARN,out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c: %m%n
"""

# The pages of HttpFS are not in its jar either, and what serves requests is described there.
FILTERS = ("fs.http.server.HttpFSAuthenticationFilter", "lib.servlet.MDCFilter", "lib.servlet.HostnameFilter",
           "fs.http.server.CheckUploadContentTypeFilter", "fs.http.server.HttpFSReleaseFilter")
HTTP_FS_PAGES = (
    '<web-app version="2.4" xmlns="http://java.sun.com/xml/ns/j2ee">'
    "<listener><listener-class>org.apache.hadoop.fs.http.server.HttpFSServerWebApp</listener-class></listener>"
    "<servlet><servlet-name>web</servlet-name><servlet-class>com.sun.jersey.spi.container.servlet.ServletContainer</servlet-class>"
    "<init-param><param-name>com.sun.jersey.config.property.packages</param-name>"
    "<param-value>org.apache.hadoop.fs.http.server,org.apache.hadoop.lib.wsrs</param-value></init-param>"
    "<load-on-startup>1</load-on-startup></servlet>"
    "<servlet-mapping><servlet-name>web</servlet-name><url-pattern>/webhdfs/*</url-pattern></servlet-mapping>" +
    "".join(f"<filter><filter-name>{name}</filter-name><filter-class>org.apache.hadoop.{name}</filter-class></filter>"
            for name in FILTERS) +
    "".join(f"<filter-mapping><filter-name>{name}</filter-name><url-pattern>*</url-pattern></filter-mapping>" for name in FILTERS) +
    "</web-app>")


def write_conf(path, settings):
    """A file of Hadoop's configuration."""
    with open(path, "w", encoding="utf-8") as f:
        f.write("<?xml version=\"1.0\"?>\n<configuration>\n")
        for key, value in settings.items():
            f.write(f"  <property>\n    <name>{key}</name>\n    <value>{value}</value>\n  </property>\n")
        f.write("</configuration>\n")


class NameNode:
    def __init__(self, name, host):
        self.host, self.name, self.rpc, self.http, self.https = host, name, free_port(), free_port(), free_port()
        self.process = None

    @property
    def address(self):
        return f"{self.host}:{self.http}"

    @property
    def tls_address(self):
        return f"{self.host}:{self.https}"


class Hdfs:
    """`is_pair`: two name nodes, of the name service `flinc`; the second follows by a folder of edits that they share.
    `certificate`: (certificate, key), files: it speaks TLS, too.  `realm`: of kerberos.py, for whoever asks; addresses are those
    of `localhost` then."""

    pace = 400  # records per second of jobs that are to have some checkpoints before they end

    def __init__(self, folder, is_pair=False, certificate=None, realm=None):
        self.jars = maven.jars("hadoop-3.4.1", "hadoop.pom.xml")
        self.folder = str(folder)
        self.conf = os.path.join(self.folder, "conf")
        self.is_pair, self.certificate, self.realm = is_pair, certificate, realm
        self.nodes = [NameNode(f"nn{i + 1}", "localhost" if realm else "127.0.0.1") for i in range(2 if is_pair else 1)]
        self.data_node = self.http_fs = self.ticket = None
        self.http_fs_port = 0
        self.ports = [free_port() for _ in range(4)]
        for name in ("hdfs", "datanode", "secondary", "static", "webhdfs"):  # the jars lack their pages, which must be there
            os.makedirs(os.path.join(self.conf, "webapps", name, "WEB-INF"))
            with open(os.path.join(self.conf, "webapps", name, "WEB-INF", "web.xml"), "w", encoding="utf-8") as f:
                f.write("<web-app/>\n")
        self.write_settings()

    # ---- configuration ----

    def write_settings(self):
        here, first = self.folder, self.nodes[0]
        core = {"fs.defaultFS": "hdfs://flinc" if self.is_pair else f"hdfs://{first.host}:{first.rpc}", "hadoop.tmp.dir": here + "/tmp",
                "hadoop.http.staticuser.user": USER, f"hadoop.proxyuser.{SUPERUSER}.hosts": "*", f"hadoop.proxyuser.{SUPERUSER}.groups": "*"}
        site = {"dfs.datanode.http.address": f"127.0.0.1:{self.ports[0]}", "dfs.datanode.address": f"127.0.0.1:{self.ports[1]}",
                "dfs.datanode.ipc.address": f"127.0.0.1:{self.ports[2]}", "dfs.datanode.hostname": "127.0.0.1",
                "dfs.namenode.datanode.registration.ip-hostname-check": "false", "dfs.datanode.data.dir": f"file://{here}/data",
                "dfs.replication": "1", "dfs.permissions.enabled": "true", "fs.permissions.umask-mode": "000",
                "dfs.namenode.safemode.extension": "0",
                # Not for the disk, and not for what the data node reports a moment later.
                "dfs.namenode.edits.noeditlogchannelflush": "true",
                "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "10",
                "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER", "dfs.heartbeat.interval": "1",
                "dfs.namenode.fs-limits.min-block-size": "4096", "dfs.namenode.handler.count": "4", "dfs.datanode.handler.count": "4"}
        if self.is_pair:
            site.update({"dfs.nameservices": "flinc", "dfs.ha.namenodes.flinc": ",".join(n.name for n in self.nodes),
                         "dfs.namenode.shared.edits.dir": f"file://{here}/shared", "dfs.ha.tail-edits.period": "1",
                         "dfs.ha.fencing.methods": "shell(/bin/true)",
                         "dfs.client.failover.proxy.provider.flinc":
                             "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider"})
        if self.certificate:
            site.update(self.tls_settings())
        if self.realm:
            site.update(self.kerberos_settings())
            core.update({"hadoop.security.authentication": "kerberos", "hadoop.http.authentication.type": "kerberos",
                         "hadoop.http.authentication.kerberos.principal": site["dfs.web.authentication.kerberos.principal"],
                         "hadoop.http.authentication.token.validity": "3",  # seconds: who goes on shows a ticket again
                         "hadoop.http.authentication.kerberos.keytab": site["dfs.web.authentication.kerberos.keytab"]})
        for node in self.nodes:
            behind = f".flinc.{node.name}" if self.is_pair else ""
            site["dfs.namenode.rpc-address" + behind] = f"{node.host}:{node.rpc}"
            site["dfs.namenode.http-address" + behind] = node.address
            site["dfs.namenode.https-address" + behind] = node.tls_address
            site["dfs.namenode.name.dir" + behind] = f"file://{here}/{node.name}"
        write_conf(self.conf + "/core-site.xml", core)
        write_conf(self.conf + "/hdfs-site.xml", site)
        with open(self.conf + "/log4j.properties", "w", encoding="utf-8") as f:
            f.write(LOGGING)

    def tls_settings(self):
        store = os.path.join(self.folder, "server.p12")
        subprocess.run(["openssl", "pkcs12", "-export", "-in", self.certificate[0], "-inkey", self.certificate[1], "-out", store,
                        "-passout", "pass:" + PASSWORD], check=True, capture_output=True)
        write_conf(self.conf + "/ssl-server.xml", {
            "ssl.server.keystore.location": store, "ssl.server.keystore.type": "pkcs12", "ssl.server.keystore.password": PASSWORD,
            "ssl.server.keystore.keypassword": PASSWORD})
        return {"dfs.http.policy": "HTTP_AND_HTTPS", "dfs.datanode.https.address": f"127.0.0.1:{self.ports[3]}"}

    def kerberos_settings(self):
        """Data nodes need no port of root's: this is a test."""
        keytab, name = self.realm.keytab("server", SUPERUSER + "/localhost", "HTTP/localhost"), self.realm.name
        found = {"dfs.block.access.token.enable": "true", "ignore.secure.ports.for.testing": "true",
                 "dfs.web.authentication.kerberos.principal": f"HTTP/localhost@{name}", "dfs.web.authentication.kerberos.keytab": keytab}
        for node in ("namenode", "datanode"):
            found[f"dfs.{node}.kerberos.principal"] = f"{SUPERUSER}/localhost@{name}"
            found[f"dfs.{node}.keytab.file"] = keytab
        return found

    def java(self, most_mb=192):
        of_realm = [f"-Djava.security.krb5.conf={self.realm.conf}"] if self.realm else []
        return [*of_realm, "-Xms24m", f"-Xmx{most_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true",
                f"-Dhadoop.log.dir={self.folder}", f"-Dhadoop.home.dir={self.folder}", *OPENED, "-cp", f"{self.conf}:{self.jars}/*"]

    def spawn(self, name, *args):
        process = Process(name, "java", args, self.folder, {"HADOOP_USER_NAME": SUPERUSER, "HADOOP_CONF_DIR": self.conf})
        process.expected_exit = None
        return process

    def tool(self, *args):
        done = subprocess.run(["java", *self.java(128), *args], cwd=self.folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "HADOOP_USER_NAME": SUPERUSER, "HADOOP_CONF_DIR": self.conf})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # ---- life ----

    def start(self):
        if not os.path.isdir(os.path.join(self.folder, self.nodes[0].name)):
            self.tool(NAME_NODE, *self.chosen(self.nodes[0]), "-format", "-nonInteractive", "-force")
        self.start_node(self.nodes[0])
        if self.is_pair:
            wait_until(lambda: self.answers(self.nodes[0]), seconds=PATIENCE, what="the first name node")
            self.activate(0)
            if not os.path.isdir(os.path.join(self.folder, self.nodes[1].name)):
                self.tool(NAME_NODE, *self.chosen(self.nodes[1]), "-bootstrapStandby", "-nonInteractive", "-force")
            self.start_node(self.nodes[1])
        self.start_data_node()
        wait_until(self.is_ready, seconds=PATIENCE, what="a file system that takes files")
        self.call("PUT", "/", "SETPERMISSION", user=SUPERUSER, permission="777")
        return self

    def start_node(self, node):
        node.process = self.spawn(node.name, *self.java(), NAME_NODE, *self.chosen(node))

    def chosen(self, node):
        """Arguments that say which of the two on this machine it is."""
        return ["-D", f"dfs.ha.namenode.id={node.name}"] if self.is_pair else []

    def start_data_node(self):
        self.data_node = self.spawn("datanode", *self.java(), DATA_NODE)

    def start_http_fs(self):
        """A gateway on a port of its own."""
        self.http_fs_port = free_port()
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w", encoding="utf-8") as f:
            f.write("of the cookies of this test\n")
        with open(os.path.join(self.conf, "webapps", "webhdfs", "WEB-INF", "web.xml"), "w", encoding="utf-8") as f:
            f.write(HTTP_FS_PAGES)
        found = {}
        if self.realm:
            keytab = self.realm.keytab("server")
            for prefix, principal in (("hadoop.http.authentication.", "HTTP/localhost"), ("httpfs.hadoop.authentication.", SUPERUSER + "/localhost")):
                found.update({prefix + "type": "kerberos", prefix + "kerberos.keytab": keytab,
                              prefix + "kerberos.principal": f"{principal}@{self.realm.name}"})
        write_conf(self.conf + "/httpfs-site.xml", {
            **found,
            "httpfs.http.hostname": self.nodes[0].host, "httpfs.http.port": str(self.http_fs_port), "httpfs.hadoop.config.dir": self.conf,
            "httpfs.authentication.signature.secret.file": secret, "hadoop.http.authentication.signature.secret.file": secret})
        places = [f"-Dhttpfs.{name}.dir={self.conf if name == 'config' else self.folder}" for name in ("home", "config", "log", "temp")]
        self.http_fs = self.spawn("httpfs", *places, *self.java(), HTTP_FS)
        wait_until(lambda: self.call("GET", "/", "GETFILESTATUS", address=self.http_fs_address), seconds=PATIENCE,
                   what="the answer of HttpFS")
        return self

    @property
    def http_fs_address(self):
        return f"{self.nodes[0].host}:{self.http_fs_port}"

    def activate(self, i):
        """The name node that is the active one from now on."""
        other = self.nodes[1 - i].process
        if other is not None and other.runs():
            self.tool(ADMIN, "-transitionToStandby", self.nodes[1 - i].name)
        self.tool(ADMIN, "-transitionToActive", "--forceactive", self.nodes[i].name)

    def bean(self, node, name):
        url = f"http://{node.address}/jmx?qry=Hadoop:service=NameNode,name={name}"
        if self.realm:
            return json.loads(self.curl(url) or b"{}")["beans"][0]
        with urllib.request.urlopen(url, timeout=10) as r:
            return json.load(r)["beans"][0]

    def answers(self, node):
        assert node.process.runs(), node.process.text()
        try:
            return bool(self.bean(node, "NameNodeStatus"))
        except (OSError, LookupError, ValueError):
            return False

    def is_ready(self):
        assert self.data_node.runs(), self.data_node.text()
        try:
            return all(self.bean(n, "FSNamesystemState")["NumLiveDataNodes"] == 1 and
                       (self.is_pair or self.bean(n, "NameNodeInfo")["Safemode"] == "") for n in self.nodes
                       if n.process is not None and n.process.runs())
        except (OSError, LookupError, ValueError):
            return False

    def runs(self):
        return self.nodes[0].process is not None and self.nodes[0].process.runs()

    def stop(self):
        for process in [self.http_fs, self.data_node, *(n.process for n in self.nodes)]:
            if process is not None and process.runs():
                process.kill()

    # ---- what is in it, by a client of its own ----

    def call(self, method, path, op, data=None, user=USER, address=None, **more):
        """The answer, or None; a redirection is followed with the data.  With Kerberos it is always the superuser who asks."""
        query = urllib.parse.urlencode({"op": op, **({} if self.realm else {"user.name": user}), **more})
        url = f"http://{address or self.active()}/webhdfs/v1{urllib.parse.quote(path)}?{query}"
        if self.realm:
            return self.curl(url, "-X", method, "-L", *([] if data is None else ["--data-binary", "@-"]), data=data)
        for _ in range(3):
            headers = {"Content-Type": "application/octet-stream"} if data is not None and "webhdfs/v1" in url else {}
            body = data if data is not None and ("datanode" in url or "data=true" in url or "namenoderpcaddress" in url) else b""
            request = urllib.request.Request(url, data=body if method in ("PUT", "POST") else None, method=method, headers=headers)
            try:
                with NO_REDIRECTS.open(request, timeout=30) as r:
                    return r.read() or b"{}"
            except urllib.error.HTTPError as e:
                if e.code != 307:
                    return None
                url = e.headers["Location"]
            except OSError:
                return None
        return None

    def curl(self, url, *options, data=None):
        """By SPNEGO, with tickets of the superuser."""
        if self.ticket is None:
            self.ticket = self.realm.ticket(self.realm.keytab("server"), SUPERUSER + "/localhost")
        done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "60", "--negotiate", "-u", ":", "-H", "Expect:", "-H",
                               "Content-Type: application/octet-stream", *options, url], input=data, capture_output=True,
                              env={**os.environ, **self.realm.env, "KRB5CCNAME": self.ticket}, check=False)
        return (done.stdout or b"{}") if done.returncode == 0 else None

    def active(self):
        for node in self.nodes:
            try:
                if node.process is not None and node.process.runs() and self.bean(node, "NameNodeStatus")["State"] == "active":
                    return node.address
            except (OSError, LookupError, ValueError):
                pass
        return self.nodes[0].address

    def put(self, path, data):
        assert self.call("PUT", "/" + path, "CREATE", data, overwrite="true") is not None, path

    def listing(self, path):
        said = self.call("GET", "/" + path, "LISTSTATUS")
        return json.loads(said)["FileStatuses"]["FileStatus"] if said else []

    def names(self, path):
        """Of the files below, behind the path."""
        found, waiting = set(), [""]
        while waiting:
            folder = waiting.pop()
            for entry in self.listing(path + "/" + folder if folder else path):
                name = os.path.join(folder, entry["pathSuffix"])
                if entry["type"] == "DIRECTORY":
                    waiting.append(name)
                else:
                    found.add(name)
        return found

    def files(self, path):
        """A folder of this machine with copies of the files below, as they are now."""
        to = os.path.join(self.folder, "copies", path)
        for name in self.names(path):
            os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
            data = self.call("GET", f"/{path}/{name}", "OPEN")
            with open(os.path.join(to, name), "wb") as f:
                f.write(b"" if data in (None, b"{}") else data)
        os.makedirs(to, exist_ok=True)
        return to

    def uri(self, path=""):
        return f"hdfs://flinc/{path}" if self.is_pair else f"hdfs://{self.nodes[0].host}:{self.nodes[0].rpc}/{path}"

    def config(self):
        """Of a cluster that uses it."""
        return {"fs.hdfs.hadoopconf": self.conf, "fs.hdfs.user": USER}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args, **_more):
        return None


NO_REDIRECTS = urllib.request.build_opener(NoRedirects)


def server(folder, **options):
    """One that was not started yet."""
    try:
        return Hdfs(folder, **options)
    except maven.Unavailable as why:
        return pytest.skip(f"no HDFS: {why}")
