/* A blocking HTTP client for tests: bytes as given, replies one at a time, never waiting longer
 * than 10 s. */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/support/test.h"

enum { CLIENT_WAIT_MS = 10000 };

struct client {
	int fd;
	struct buf in; /* received and not yet taken */
};

struct client_reply {
	int status;
	char head[16384];
	struct buf body;
};

static inline struct client client_open(unsigned port)
{
	struct client client = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	void *raw = &address;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	buf_init(&client.in, SIZE_MAX / 2);
	assert_true(client.fd >= 0);
	assert_int_equal(connect(client.fd, raw, sizeof(address)), 0);
	return client;
}

static inline void client_close(struct client *client)
{
	if (client->fd >= 0) {
		(void)close(client->fd);
	}
	client->fd = -1;
	buf_fini(&client->in);
}

static inline void client_send(struct client *client, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(client->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		assert_true(n > 0);
		bytes = str_make(bytes.p + n, bytes.n - (size_t)n);
	}
}

static inline void client_say(struct client *client, const char *text)
{
	client_send(client, str_of(text));
}

/* Read some more; false when the server has closed. */
static inline bool client_more(struct client *client)
{
	struct pollfd wait = { .fd = client->fd, .events = POLLIN };
	char *room = buf_reserve(&client->in, 65536);
	ssize_t n;

	assert_int_equal(poll(&wait, 1, CLIENT_WAIT_MS), 1);
	n = recv(client->fd, room, 65536, 0);
	if (n > 0) {
		buf_commit(&client->in, (size_t)n);
	}
	return n > 0;
}

static inline void client_until(struct client *client, const char *text)
{
	while (strstr(buf_cstr(&client->in), text) == NULL) {
		assert_true(client_more(client));
	}
}

/* Read to the end; what came is in client->in. */
static inline void client_to_end(struct client *client)
{
	while (client_more(client)) {
	}
}

static inline const char *client_field(const struct client_reply *reply, const char *name)
{
	static char value[1024];
	const char *line = reply->head;
	size_t n = strlen(name);

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			(void)snprintf(value, sizeof(value), "%.*s",
			               (int)strcspn(line + n + 2, "\r"), line + n + 2);
			return value;
		}
	}
	return NULL;
}

/* The next reply: its head, and as much body as Content-Length says. */
static inline void client_head(struct client *client, struct client_reply *reply)
{
	const char *end;
	size_t n;

	while ((end = strstr(buf_cstr(&client->in), "\r\n\r\n")) == NULL) {
		assert_true(client_more(client));
	}
	n = (size_t)(end - client->in.data) + 4;
	assert_true(n < sizeof(reply->head));
	memcpy(reply->head, client->in.data, n);
	reply->head[n] = '\0';
	buf_drop(&client->in, n);
	assert_int_equal(strncmp(reply->head, "HTTP/1.1 ", 9), 0);
	reply->status = (int)strtol(reply->head + 9, NULL, 10);
	buf_init(&reply->body, SIZE_MAX / 2);
}

static inline void client_reply(struct client *client, struct client_reply *reply)
{
	const char *length;
	size_t n;

	client_head(client, reply);
	length = client_field(reply, "Content-Length");
	n = length != NULL ? strtoul(length, NULL, 10) : 0;
	while (client->in.len < n) {
		assert_true(client_more(client));
	}
	if (n > 0) {
		buf_add(&reply->body, client->in.data, n);
		buf_drop(&client->in, n);
	}
}

/* Say it, and check the status of the reply. */
static inline void client_expect(struct client *client, const char *text, int status)
{
	struct client_reply reply;

	client_say(client, text);
	client_reply(client, &reply);
	if (reply.status != status) {
		fail_msg("expected %d, got %s%s for %s", status, reply.head, buf_cstr(&reply.body),
		         text);
	}
	buf_fini(&reply.body);
}

/* The server closes without another byte. */
static inline void client_expect_end(struct client *client)
{
	client_to_end(client);
	if (client->in.len > 0) {
		fail_msg("more came: %s", buf_cstr(&client->in));
	}
}
