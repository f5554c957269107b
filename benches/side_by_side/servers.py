"""The servers of a run: the tables in MariaDB, a MiniRocks that throws rows away, and one for files."""
import functools, http.server, os, re, shutil, socket, subprocess, sys, threading, time, urllib.parse

import pymysql

COLUMNS = "id, uid, gender, age_range, zodiac, score, created"


class Source:
    """The private MariaDB that tests/run has started."""

    def __init__(self, url):
        parsed = urllib.parse.urlparse(url)
        self.host, self.port, self.user = parsed.hostname, parsed.port, parsed.username
        self.cursor = pymysql.connect(
            host=self.host, port=self.port, user=self.user, autocommit=True, local_infile=True
        ).cursor()

    def one(self, sql):
        self.cursor.execute(sql)
        return self.cursor.fetchone()[0]

    def version(self):
        return self.one("SELECT version()")

    def load(self, data, rows):
        """Loads the rows that gen_data.py has written into workshop.ods_user_info_d."""
        with open(os.path.join(data, "user_info.sql")) as script:
            for statement in script.read().split(";\n"):
                if statement.strip():
                    self.cursor.execute(statement)
        self.expect("workshop.ods_user_info_d", rows)

    def enlarge(self, times, rows):
        """workshop.large: the rows of the table so many times, each time under other keys."""
        self.cursor.execute("CREATE TABLE workshop.large LIKE workshop.ods_user_info_d")
        for time_ in range(times):
            self.cursor.execute(
                f"INSERT INTO workshop.large SELECT id + {time_ * rows}, {COLUMNS[4:]} FROM workshop.ods_user_info_d"
            )
        self.expect("workshop.large", times * rows)

    def expect(self, table, rows):
        self.cursor.execute(f"ANALYZE TABLE {table}")
        found = self.one(f"SELECT count(*) FROM {table}")
        if found != rows:
            sys.exit(f"benches/run: {table} has {found} rows, not {rows}")


class Discarding:
    """A StarRocks that counts rows and throws them away."""

    def __init__(self, syncline):
        ports = ["--http-port", "0", "--be-port", "0", "--mysql-port", "0"]
        self.process = subprocess.Popen([syncline, "minirocks", "--discard", *ports], stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        self.address = dict(re.findall(r"(\w+)=(\S+)", ready))
        if "http" not in self.address:
            sys.exit(f"benches/run: the discarding server did not start: {ready}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Files:
    """Serves a folder over HTTP: nginx where it is installed, else a small server of ours that hands files to the kernel as well."""

    def __init__(self, folder, scratch):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if nginx is None:
            self.name = "http.server with sendfile"
            handler = functools.partial(FileHandler, directory=folder)
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), handler)
            threading.Thread(target=self.server.serve_forever, daemon=True).start()
            return
        self.name = subprocess.run([nginx, "-v"], stderr=subprocess.PIPE, text=True).stderr.strip().rpartition(" ")[2]
        config = os.path.join(scratch, "nginx.conf")
        temporary = "".join(
            f"{kind}_temp_path {scratch}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # started by root its workers would be nobody, who cannot read a folder of ours
        user = "user root;" if os.geteuid() == 0 else ""
        with open(config, "w") as file:
            file.write(
                f"{user}daemon off; worker_processes auto; pid {scratch}/nginx.pid; error_log stderr warn;\n"
                "events { worker_connections 256; }\n"
                f"http {{ access_log off; sendfile on; tcp_nopush on; {temporary}\n"
                f"server {{ listen 127.0.0.1:{self.port}; root {folder}; }} }}\n"
            )
        self.process = subprocess.Popen([nginx, "-p", scratch, "-c", config])
        for _ in range(50):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit("benches/run: nginx did not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


class FileHandler(http.server.SimpleHTTPRequestHandler):
    """GET and HEAD with ranges; bodies by sendfile."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send_head(self):
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            self.send_error(404)
            return None
        about = os.stat(path)
        start, end = 0, about.st_size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            start = int(wanted[1])
            end = min(end, int(wanted[2]) + 1) if wanted[2] else end
            if start >= about.st_size:
                self.send_error(416)
                return None
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{about.st_size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", f'"{about.st_mtime_ns:x}-{about.st_size:x}"')
        self.end_headers()
        return open(path, "rb"), start, end

    def do_HEAD(self):
        self.send_head()

    def do_GET(self):
        found = self.send_head()
        if found:
            file, start, end = found
            with file:
                self.wfile.flush()
                while start < end:
                    start += os.sendfile(self.connection.fileno(), file.fileno(), start, end - start)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
