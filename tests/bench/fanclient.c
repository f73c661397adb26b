/*
 * The client's side of compare-streaming: see fan.h.
 *
 *	fanclient PLAN CHANNELS NAME=NUMBER...
 *
 * It says "ready" when every connection has followed the plan, waits for a line on standard input,
 * publishes, and prints what arrived, and how late, as one line of JSON.  With expect=N there is
 * no publishing: every connection wants N events of history, and the time until the last has
 * them is what counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/fan.h"

enum { PROCESSES_MAX = 8, READY_MS = 120000, DRAIN_MS = 10000, LOOK_MS = 2, COLD_MS = 60000 };

static struct fan_load load = {
	.processes = 1, .sources = 1, .connecting = 256, .publishers = 4, .depth = 1
};
static struct fan_result *results;
static struct fan_published *published;
static pid_t children[PROCESSES_MAX + 1];
static size_t child_count;

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		fan_die("mmap");
	}
	return memory;
}

static void set_ports(struct str list)
{
	uint64_t port;

	while (list.p != NULL && load.port_count < FAN_PORTS_MAX) {
		if (!parse_u64(str_split(&list, ','), UINT16_MAX, &port)) {
			errno = EINVAL;
			fan_die("port");
		}
		load.ports[load.port_count++] = (unsigned)port;
	}
}

static void set(struct str word)
{
	struct str value = word, name = str_split(&value, '=');
	const struct {
		const char *name;
		unsigned *value;
	} numbers[] = {
		{ "publish_port", &load.publish_port },
		{ "connections", &load.connections },
		{ "processes", &load.processes },
		{ "sources", &load.sources },
		{ "connecting", &load.connecting },
		{ "rate", &load.rate },
		{ "seconds", &load.seconds },
		{ "publishers", &load.publishers },
		{ "depth", &load.depth },
	};
	uint64_t v = 0;

	if (str_eq(name, STR_LIT("port"))) {
		set_ports(value);
		return;
	}
	if (!parse_u64(value, UINT32_MAX, &v)) {
		errno = EINVAL;
		fan_die("a number");
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (str_eq(name, str_of(numbers[i].name))) {
			*numbers[i].value = (unsigned)v;
			return;
		}
	}
	if (str_eq(name, STR_LIT("expect"))) {
		load.expect = v;
	} else if (str_eq(name, STR_LIT("stalled"))) {
		load.stalled = v != 0;
	} else {
		errno = EINVAL;
		fan_die("a name");
	}
}

static uint64_t total_of(size_t offset)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < load.processes; i++) {
		uint64_t part;

		memcpy(&part, (const char *)&results[i] + offset, sizeof(part));
		total += part;
	}
	return total;
}

#define TOTAL(member) total_of(offsetof(struct fan_result, member))

static uint64_t percentile(double part)
{
	uint64_t left = (uint64_t)((double)TOTAL(delivered) * part);

	for (size_t slot = 0; slot < FAN_SLOTS; slot++) {
		uint64_t here =
			total_of(offsetof(struct fan_result, slots) + slot * sizeof(uint64_t));

		if (here > left) {
			return slot * FAN_SLOT_US;
		}
		left -= here;
	}
	return (uint64_t)FAN_SLOTS * FAN_SLOT_US;
}

static void start_children(void)
{
	for (unsigned i = 0; i < load.processes; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			fan_read(&load, i, &results[i]);
			_exit(0);
		}
		children[child_count++] = pid;
	}
}

static void stop_children(void)
{
	for (size_t i = 0; i < child_count; i++) {
		(void)kill(children[i], SIGKILL);
		(void)waitpid(children[i], NULL, 0);
	}
}

static bool await(size_t offset, uint64_t wanted, unsigned timeout_ms)
{
	uint64_t until_ms = clock_mono_ms() + timeout_ms;

	while (total_of(offset) < wanted) {
		if (clock_mono_ms() > until_ms || waitpid(-1, NULL, WNOHANG) > 0) {
			return false;
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
	return true;
}

static void report(uint64_t expected, uint64_t took_us)
{
	uint64_t delivered = TOTAL(delivered);

	(void)printf("{\"expected\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"bytes\":%" PRIu64
	             ",\"reads\":%" PRIu64 ",\"closed\":%" PRIu64 ",\"sent\":%" PRIu64
	             ",\"answered\":%" PRIu64 ",\"took_us\":%" PRIu64 ",\"p50_us\":%" PRIu64
	             ",\"p99_us\":%" PRIu64 ",\"p999_us\":%" PRIu64 "}\n",
	             expected, delivered, TOTAL(bytes), TOTAL(reads), TOTAL(closed),
	             published->sent, published->answered, took_us, percentile(0.5),
	             percentile(0.99), percentile(0.999));
	(void)fflush(stdout);
}

static void run_cold(uint64_t began_us)
{
	uint64_t expected = load.connections * load.expect, last_us = 0;

	(void)await(offsetof(struct fan_result, delivered), expected, COLD_MS);
	for (unsigned i = 0; i < load.processes; i++) {
		last_us = results[i].last_us > last_us ? results[i].last_us : last_us;
	}
	report(expected, last_us > began_us ? last_us - began_us : 0);
}

static void await_published(void)
{
	while (!published->done && waitpid(-1, NULL, WNOHANG) <= 0) {
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static void run_live(void)
{
	uint64_t expected;
	pid_t pid = fork();

	if (pid == 0) {
		fan_publish(&load, published);
		_exit(0);
	}
	children[child_count++] = pid;
	await_published();
	expected = published->sent * load.connections / load.plan->channel_count;
	if (!load.stalled) {
		(void)await(offsetof(struct fan_result, delivered), expected, DRAIN_MS);
	}
	report(expected, published->ended_us - published->begun_us);
}

/* The line that says go; the end of input: stop. */
static bool told(void)
{
	char line[16];

	return fgets(line, sizeof(line), stdin) != NULL;
}

int main(int argc, char **argv)
{
	static struct fan_plan plan;
	struct rlimit files;
	uint64_t began_us;

	if (argc < 4) {
		(void)fprintf(stderr, "usage: fanclient PLAN CHANNELS NAME=NUMBER...\n");
		return 2;
	}
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	fan_plan_read(argv[1], argv[2], &plan);
	load.plan = &plan;
	for (int i = 3; i < argc; i++) {
		set(str_of(argv[i]));
	}
	if (load.processes == 0 || load.processes > PROCESSES_MAX || load.sources == 0 ||
	    load.port_count == 0) {
		errno = EINVAL;
		fan_die("numbers");
	}
	results = share(load.processes * sizeof(*results));
	published = share(sizeof(*published));
	began_us = clock_mono_us();
	start_children();
	if (load.expect > 0) {
		run_cold(began_us);
	} else if (!await(offsetof(struct fan_result, ready), load.connections, READY_MS)) {
		(void)fprintf(stderr, "fanclient: %" PRIu64 " of %u are ready\n", TOTAL(ready),
		              load.connections);
		stop_children();
		return 1;
	} else {
		(void)printf("ready %" PRIu64 "\n", clock_mono_us() - began_us);
		(void)fflush(stdout);
		if (told()) {
			run_live();
		}
	}
	(void)told(); /* the connections stay until somebody has looked at the server */
	stop_children();
	return 0;
}
