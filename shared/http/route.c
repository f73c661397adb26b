#include "http/route.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct node {
	struct str segment;    /* of a literal */
	struct node *literals; /* children, by next */
	struct node *param;
	struct node *next;
	bool used;
	const struct http_route *by_method[HTTP_METHOD_COUNT];
};

struct http_routes {
	struct node root;
};

static struct node *literal_of(const struct node *node, struct str segment)
{
	struct node *child;

	for (child = node->literals; child != NULL; child = child->next) {
		if (str_eq(child->segment, segment)) {
			return child;
		}
	}
	return NULL;
}

static struct node *step_into(struct node *node, struct str segment)
{
	bool is_param = segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
	struct node *child = is_param ? node->param : literal_of(node, segment);

	if (child != NULL) {
		return child;
	}
	child = mem_calloc(1, sizeof(*child));
	if (is_param) {
		node->param = child;
	} else {
		child->segment = segment;
		child->next = node->literals;
		node->literals = child;
	}
	return child;
}

static void add(struct http_routes *routes, const struct http_route *route)
{
	struct str rest = str_of(route->pattern);
	struct node *node = &routes->root;
	size_t params = 0;

	assert(rest.n > 0 && rest.p[0] == '/' && route->handler != NULL);
	(void)str_split(&rest, '/');
	while (rest.p != NULL) {
		struct node *parent = node;

		node = step_into(parent, str_split(&rest, '/'));
		params += parent->param == node;
	}
	assert(params <= HTTP_PARAMS_MAX);
	/* Two rows for the same requests: one of them would never run. */
	assert(node->by_method[route->method] == NULL);
	node->by_method[route->method] = route;
	node->used = true;
}

struct http_routes *http_routes_new(const struct http_route *table, size_t count)
{
	struct http_routes *routes = mem_calloc(1, sizeof(*routes));

	for (size_t i = 0; i < count; i++) {
		add(routes, &table[i]);
	}
	return routes;
}

/* As deep as the longest pattern has segments. */
static void node_free(struct node *node)
{
	while (node->literals != NULL) {
		struct node *child = node->literals;

		node->literals = child->next;
		node_free(child);
		free(child);
	}
	if (node->param != NULL) {
		node_free(node->param);
		free(node->param);
	}
}

void http_routes_free(struct http_routes *routes)
{
	if (routes != NULL) {
		node_free(&routes->root);
		free(routes);
	}
}

/* Recursion is as deep as the longest pattern: without a child there is no further step. */
static bool find(const struct node *node, struct str rest, struct http_place *place)
{
	struct str segment;
	const struct node *child;

	if (rest.p == NULL) {
		place->by_method = node->by_method;
		return node->used;
	}
	segment = str_split(&rest, '/');
	child = literal_of(node, segment);
	if (child != NULL && find(child, rest, place)) {
		return true;
	}
	if (node->param == NULL || segment.n == 0) {
		return false;
	}
	place->params[place->param_count++] = segment;
	if (find(node->param, rest, place)) {
		return true;
	}
	place->param_count--;
	return false;
}

bool http_routes_find(const struct http_routes *routes, struct str path, struct http_place *ret)
{
	struct http_place place = { .param_count = 0 };

	if (path.n == 0 || path.p[0] != '/') {
		return false;
	}
	(void)str_split(&path, '/');
	if (!find(&routes->root, path, &place)) {
		return false;
	}
	*ret = place;
	return true;
}

void http_routes_allow(const struct http_place *place, struct buf *out)
{
	for (enum http_method m = HTTP_GET; m < HTTP_METHOD_COUNT; m++) {
		bool served = place->by_method[m] != NULL ||
		              (m == HTTP_HEAD && place->by_method[HTTP_GET] != NULL) ||
		              m == HTTP_OPTIONS;

		if (served) {
			buf_add_cstr(out, out->len > 0 ? ", " : "");
			buf_add_cstr(out, http_method_name(m));
		}
	}
}
