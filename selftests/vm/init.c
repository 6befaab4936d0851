// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's first process.  In the initial RAM disk it loads the drivers of
 * its disks, puts the root together (a tmpfs over what this run adds, over the
 * kernel's modules, over the cached root file system), runs one command there
 * and tells its output and exit status to the host.  It is C and static
 * because each shell and each fork costs tens of milliseconds under TCG.
 *
 * In the initial RAM disk it finds
 *	/boot.modules	the drivers, one path a line, in order of loading
 *	/extra/		a layer of the root
 *	/work/		the command's working directory
 *	/command	its words, each ended by a zero byte
 *	/environment	NAME=VALUE, each ended by a zero byte
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "frame.h"

#define PORT_NAME	"org.ipmesh.run"

static int port = -1;

static void __attribute__((noreturn)) power_off(void)
{
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
	char text[1024];
	va_list args;
	int err = errno;
	size_t n;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	n = strlen(text);
	if (err)
		snprintf(text + n, sizeof(text) - n, ": %s", strerror(err));
	fprintf(stderr, "init: %s\n", text);
	if (port >= 0) {
		frame_send(port, FRAME_FAILED, text, strlen(text));
		/* The host ends the guest; this is for one that does not. */
		sleep(5);
	}
	power_off();
}

static char *read_file(const char *path, size_t *len)
{
	size_t size = 0, room = 65536;
	char *buf = malloc(room + 1);
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s", path);
	while ((n = read(fd, buf + size, room - size)) > 0) {
		size += n;
		if (size == room) {
			room *= 2;
			buf = realloc(buf, room + 1);
		}
	}
	close(fd);
	buf[size] = 0;
	if (len)
		*len = size;
	return buf;
}

static void mount_at(const char *what, const char *type, const char *where,
		     unsigned long flags, const char *options)
{
	mkdir(where, 0755);
	if (mount(what, where, type, flags, options))
		fail("cannot mount %s on %s", type, where);
}

/* For file systems that not every kernel has. */
static void mount_if(const char *type, const char *where)
{
	mkdir(where, 0755);
	mount(type, where, type, 0, NULL);
}

static void load_drivers(void)
{
	char *list = read_file("/boot.modules", NULL), *path, *save;

	for (path = strtok_r(list, "\n", &save); path;
	     path = strtok_r(NULL, "\n", &save)) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			fail("cannot open the driver %s", path);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			fail("cannot load the driver %s", path);
		close(fd);
		unlink(path);
	}
	free(list);
}

static int find_port(void)
{
	char path[512], name[64] = "";
	struct dirent *e;
	int fd = -1;
	FILE *f;
	DIR *d;

	d = opendir("/sys/class/virtio-ports");
	if (!d)
		return -1;
	while (fd < 0 && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strncmp(name, PORT_NAME, strlen(PORT_NAME))) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		fclose(f);
	}
	closedir(d);
	return fd;
}

/* Devices appear some milliseconds after their drivers are loaded. */
static void await_devices(void)
{
	int i;

	for (i = 0; i < 30000; i++) {
		if (port < 0)
			port = find_port();
		if (port >= 0 && !access("/dev/vda", R_OK) && !access("/dev/vdb", R_OK))
			return;
		usleep(1000);
	}
	errno = 0;
	fail("the disks or the port to the host did not appear in 30 s");
}

static void make_root(void)
{
	mkdir("/lower", 0755);
	mount_at("/dev/vda", "ext4", "/lower/root", MS_RDONLY, NULL);
	mount_at("/dev/vdb", "ext4", "/lower/modules", MS_RDONLY, NULL);
	mount_at("tmpfs", "tmpfs", "/rw", 0, "mode=755,size=75%");
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	mkdir("/extra", 0755);
	mkdir("/work", 0755);
	mount_at("root", "overlay", "/new", 0,
		 "lowerdir=/extra:/lower/modules:/lower/root,"
		 "upperdir=/rw/upper,workdir=/rw/work");

	/* The RAM disk is a tmpfs: what was added need not be copied. */
	mkdir("/new/work", 0755);
	if (mount("/work", "/new/work", NULL, MS_BIND, NULL))
		fail("cannot make the working directory");
	if (mount("/proc", "/new/proc", NULL, MS_MOVE, NULL) ||
	    mount("/sys", "/new/sys", NULL, MS_MOVE, NULL) ||
	    mount("/dev", "/new/dev", NULL, MS_MOVE, NULL))
		fail("cannot move /proc, /sys and /dev into the root");
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		fail("cannot change to the new root");
	/* "ip netns" and others want to see each other's mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL))
		fail("cannot share the mounts of the root");
}

static void make_mounts(void)
{
	mount_at("devpts", "devpts", "/dev/pts", 0, "mode=620,ptmxmode=666");
	mount_at("shm", "tmpfs", "/dev/shm", 0, "mode=1777");
	mount_at("run", "tmpfs", "/run", 0, "mode=755");
	mount_at("tmp", "tmpfs", "/tmp", 0, "mode=1777");
	mount_if("cgroup2", "/sys/fs/cgroup");
	mount_if("bpf", "/sys/fs/bpf");
	mount_if("debugfs", "/sys/kernel/debug");
	mount_if("tracefs", "/sys/kernel/tracing");
	mkdir("/run/netns", 0755);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

/* Run a program to its end; its messages go to the console. */
static int run(const char *const argv[])
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void up(const char *name, const char *address)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in *in;
	struct ifreq r = { 0 };

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	in = (struct sockaddr_in *)&r.ifr_addr;
	if (address) {
		in->sin_family = AF_INET;
		inet_pton(AF_INET, address, &in->sin_addr);
		if (ioctl(s, SIOCSIFADDR, &r))
			fail("cannot set the address of %s", name);
		inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
		ioctl(s, SIOCSIFNETMASK, &r);
	}
	memset(&r.ifr_ifru, 0, sizeof(r.ifr_ifru));
	ioctl(s, SIOCGIFFLAGS, &r);
	r.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		fail("cannot set %s up", name);
	close(s);
}

static void set_up_system(void)
{
	const char *node = getenv("NODE"), *modprobe = getenv("IPMESH_MODPROBE");
	struct rlimit core = { 0, 0 };
	char name[32], address[32];
	int i;

	snprintf(name, sizeof(name), node ? "node%s" : "ipmesh", node);
	sethostname(name, strlen(name));
	write_text("/etc/hostname", name);
	write_text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
	write_text("/etc/resolv.conf", "");
	setrlimit(RLIMIT_CORE, &core);
	up("lo", NULL);

	if (node) {
		const char *const net[] = { "modprobe", "-q", "virtio_net", NULL };

		run(net);
		for (i = 0; i < 5000 && !if_nametoindex("eth0"); i++)
			usleep(1000);
		snprintf(address, sizeof(address), "192.0.2.%s", node);
		up("eth0", address);
	}
	if (modprobe && *modprobe) {
		const char *const load[] = { "modprobe", modprobe, NULL };

		if (run(load)) {
			errno = 0;
			fail("the module %s cannot be loaded; the kernel's reason is in the console log",
			     modprobe);
		}
	}
	unsetenv("IPMESH_MODPROBE");
}

static char **words(const char *path)
{
	size_t len, i, n = 0;
	char *text = read_file(path, &len), **list;

	for (i = 0; i < len; i++)
		n += !text[i];
	list = calloc(n + 1, sizeof(*list));
	for (i = 0, n = 0; i < len; i += strlen(text + i) + 1)
		list[n++] = text + i;
	return list;
}

static struct {
	int in, out, err;	/* our ends; with a terminal, out is it */
	bool tty;
	pid_t pid;
} command = { -1, -1, -1, false, 0 };

static void start(char **argv, int input)
{
	int in[2] = { -1, -1 }, out[2], err[2];
	sigset_t none;

	if (input == 't') {
		command.pid = forkpty(&command.out, NULL, NULL, NULL);
		command.in = command.out;
		command.tty = true;
	} else {
		if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(in, O_CLOEXEC))
			fail("cannot make a pipe");
		command.pid = fork();
	}
	if (command.pid < 0)
		fail("cannot fork");
	if (!command.pid) {
		if (!command.tty) {
			setsid();
			if (input == 'p')
				dup2(in[0], 0);
			dup2(out[1], 1);
			dup2(err[1], 2);
		}
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(argv[0], argv);
		fprintf(stderr, "%s: %s\n", argv[0],
			errno == ENOENT ? "no such command in the guest" : strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (!command.tty) {
		close(in[0]);
		close(out[1]);
		close(err[1]);
		command.out = out[0];
		command.err = err[0];
		if (input == 'p')
			command.in = in[1];
		else
			close(in[1]);
	}
}

/* Pass on what is there now; false at the end of the stream. */
static bool forward(int fd, uint8_t type)
{
	char buf[FRAME_MAX];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	frame_send(port, type, buf, n);
	return true;
}

static bool go;

static struct frame_reader incoming;

static void handle_frames(void)
{
	struct frame_reader *r = &incoming;
	struct winsize w = { 0 };
	uint16_t size[2];
	uint8_t type;
	ssize_t len;

	/* What follows the word to go is for the command: keep it for that. */
	while (!(go && !command.pid) && (len = frame_next(r, &type)) >= 0) {
		const char *data = r->buf + sizeof(struct frame);

		if (type == FRAME_IN && command.in >= 0) {
			if (len) {
				write_all(command.in, data, len);
			} else if (command.tty) {
				write_all(command.in, "\4", 1);
			} else {
				close(command.in);
				command.in = -1;
			}
		} else if (type == FRAME_GO) {
			go = true;
		} else if (type == FRAME_WINDOW && command.tty && len == sizeof(size)) {
			memcpy(size, data, sizeof(size));
			w.ws_row = size[0];
			w.ws_col = size[1];
			ioctl(command.out, TIOCSWINSZ, &w);
		}
		frame_done(r, len);
	}
}

static void from_host(void)
{
	struct frame_reader *r = &incoming;
	ssize_t n = read(port, r->buf + r->have, sizeof(r->buf) - r->have);

	if (n <= 0)
		return;
	r->have += n;
	handle_frames();
}

/* Background processes may hold the pipes: take what is there, not the end. */
static void drain(int fd, uint8_t type)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
		if (!forward(fd, type))
			break;
}

static void await_go(void)
{
	struct pollfd p = { .fd = port, .events = POLLIN };

	while (!go) {
		if (poll(&p, 1, 1000) == 0)
			frame_send(port, FRAME_BEAT, NULL, 0);
		else
			from_host();
	}
}

static int attend(void)
{
	struct signalfd_siginfo info;
	sigset_t child;
	int status, result = -1, signals;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);

	while (result < 0) {
		struct pollfd p[] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = port, .events = POLLIN },
			{ .fd = command.out, .events = POLLIN },
			{ .fd = command.err, .events = POLLIN },
		};

		if (poll(p, 4, 1000) == 0)
			frame_send(port, FRAME_BEAT, NULL, 0);
		if (p[1].revents & POLLIN)
			from_host();
		if (p[2].revents && !forward(command.out, FRAME_OUT)) {
			if (!command.tty)
				close(command.out);
			command.out = -1;
		}
		if (p[3].revents && !forward(command.err, FRAME_ERR)) {
			close(command.err);
			command.err = -1;
		}
		while (read(signals, &info, sizeof(info)) > 0)
			;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid != command.pid)
				continue;
			result = WIFEXITED(status) ? WEXITSTATUS(status) :
						     128 + WTERMSIG(status);
		}
	}
	drain(command.out, FRAME_OUT);
	drain(command.err, FRAME_ERR);
	return result;
}

static void send_kernel_log(void)
{
	char record[8192];
	ssize_t n;
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	for (;;) {
		n = read(fd, record, sizeof(record));
		if (n < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile: go on with the next */
		if (n <= 0)
			break;
		frame_send(port, FRAME_KLOG, record, n);
	}
	close(fd);
}

int main(void)
{
	char **argv, **env, *input, *klog;
	uint8_t status;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);

	umask(022);
	mount_at("proc", "proc", "/proc", 0, NULL);
	mount_at("sys", "sysfs", "/sys", 0, NULL);
	mkdir("/dev", 0755);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		fail("cannot mount devtmpfs on /dev");
	load_drivers();
	await_devices();

	argv = words("/command");
	clearenv();
	for (env = words("/environment"); *env; env++)
		putenv(*env);
	make_root();
	make_mounts();
	set_up_system();

	input = getenv("IPMESH_INPUT");
	klog = getenv("IPMESH_KLOG");
	unsetenv("IPMESH_INPUT");
	unsetenv("IPMESH_KLOG");
	if (chdir("/work"))
		fail("cannot enter /work");
	close(0);
	open("/dev/null", O_RDONLY);
	frame_send(port, FRAME_HELLO, NULL, 0);
	await_go();
	signal(SIGPIPE, SIG_DFL);
	start(argv, input ? *input : 'n');
	signal(SIGPIPE, SIG_IGN);
	handle_frames();

	status = attend();
	if (klog)
		send_kernel_log();
	frame_send(port, FRAME_STATUS, &status, 1);

	/* The other node may still need this one; the host ends the guest. */
	for (;;) {
		sleep(1);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
