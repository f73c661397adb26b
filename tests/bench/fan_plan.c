#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "tests/bench/fan.h"

void fan_die(const char *what)
{
	(void)fprintf(stderr, "fanclient: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		if (in[0] == '\\' && in[1] != '\0') {
			in++;
			*out++ = (char)(*in == 'r' ? '\r' : *in == 'n' ? '\n' : *in);
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

static void take_line(struct fan_plan *plan, struct str line)
{
	static const char *const verbs[] = { "send", "frame", "wait" };
	struct str rest = line, verb = str_split(&rest, ' ');
	char *text = mem_strndup(rest);

	unescape(text);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (str_eq(verb, str_of(verbs[i])) && plan->count < FAN_STEPS_MAX) {
			plan->steps[plan->count++] = (struct fan_step){ (enum fan_verb)i, text };
			return;
		}
	}
	if (str_eq(verb, STR_LIT("publish"))) {
		plan->publish = text;
	} else if (str_eq(verb, STR_LIT("answer"))) {
		plan->answer = text;
	} else {
		errno = EINVAL;
		fan_die("a line of the plan");
	}
}

static struct str next_line(FILE *file, char *line, size_t size)
{
	return fgets(line, (int)size, file) != NULL ? str_make(line, strcspn(line, "\n"))
	                                            : str_make(NULL, 0);
}

static FILE *open_file(const char *path)
{
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		fan_die(path);
	}
	return file;
}

void fan_plan_read(const char *plan, const char *channels, struct fan_plan *ret)
{
	char *line = mem_calloc(FAN_TEXT_MAX, 1);
	FILE *file = open_file(plan);
	struct str text;

	while ((text = next_line(file, line, FAN_TEXT_MAX)).n > 0) {
		take_line(ret, text);
	}
	(void)fclose(file);
	file = open_file(channels);
	while ((text = next_line(file, line, FAN_TEXT_MAX)).n > 0) {
		if (ret->channel_count % 1024 == 0) {
			ret->channels = mem_realloc(ret->channels, (ret->channel_count + 1024) *
			                                                   sizeof(*ret->channels));
		}
		ret->channels[ret->channel_count++] = mem_strndup(text);
	}
	(void)fclose(file);
	free(line);
	if (ret->channel_count == 0) {
		errno = EINVAL;
		fan_die(channels);
	}
}

size_t fan_fill(const char *text, const char *channel, uint64_t due_us, char *out)
{
	size_t n = 0;

	for (const char *in = text; *in != '\0' && n + 64 < FAN_TEXT_MAX;) {
		if (strncmp(in, "{ch}", 4) == 0) {
			n += (size_t)snprintf(out + n, FAN_TEXT_MAX - n, "%s", channel);
			in += 4;
		} else if (strncmp(in, "{due}", 5) == 0) {
			n += (size_t)snprintf(out + n, FAN_TEXT_MAX - n, "%0*" PRIu64, FAN_DIGITS,
			                      due_us);
			in += 5;
		} else {
			out[n++] = *in++;
		}
	}
	return n;
}

/* Without waiting; from 127.0.0.2, .3 and so on, since one address has only so many ports. */
int fan_dial(unsigned port, unsigned source)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET,
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0) {
		fan_die("socket");
	}
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
		fan_die("connect");
	}
	return fd;
}
