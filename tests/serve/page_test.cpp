// The web page as the server gives it.
#include "serve/page_files.h"

#include "server_case.h"

namespace pith {
namespace {

class PageTest : public ServerCase {};

TEST_F(PageTest, GivesItsFiles) {
  api_options.access.api_keys = {"secret"};  // the page itself needs none
  start();
  const RawResponse page = answer_to(get("/"));
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.has_header("Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_NE(page.body.find("page/page.js"), std::string::npos);
  const RawResponse script = answer_to(get("/page/page.js"));
  EXPECT_EQ(script.status, 200);
  EXPECT_TRUE(script.has_header("Content-Type: text/javascript; charset=utf-8\r\n"));
  EXPECT_EQ(script.body, find_page_file("/page/page.js")->content);
}

TEST_F(PageTest, RestrictsWhatBrowsersDo) {
  start();
  for (const std::string_view path : {"/", "/page/page.js", "/page/page.css", "/page/icon.svg"}) {
    const RawResponse response = answer_to(get(path));
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_TRUE(response.has_header("Content-Security-Policy: default-src 'self'; ")) << path;
    EXPECT_TRUE(response.has_header("frame-ancestors 'none'")) << path;
    EXPECT_FALSE(response.has_header("unsafe")) << path;
    EXPECT_TRUE(response.has_header("X-Content-Type-Options: nosniff\r\n")) << path;
  }
}

TEST_F(PageTest, SendsAgainWhatHasChanged) {
  start();
  const std::string etag(find_page_file("/")->etag);
  EXPECT_TRUE(answer_to(get("/")).has_header(fmt::format("ETag: {}\r\n", etag)));
  for (const std::string& list : {etag, "W/" + etag, "\"old\", " + etag, std::string("*")}) {
    RawClient client(server->url());
    client.send(get("/", fmt::format("If-None-Match: {}\r\n", list)));
    const RawResponse same = client.response();
    EXPECT_EQ(same.status, 304) << list;
    EXPECT_EQ(same.body, "");
    EXPECT_FALSE(same.has_header("Content-Length"));
    EXPECT_FALSE(same.has_header("\nContent-Type"));
    EXPECT_TRUE(same.has_header(fmt::format("ETag: {}\r\n", etag)));
    client.send(get("/health"));  // nothing follows the head
    EXPECT_EQ(client.response().status, 200) << list;
  }
  EXPECT_EQ(answer_to(get("/", "If-None-Match: \"old\"\r\n")).status, 200);
  EXPECT_NE(etag, find_page_file("/page/page.js")->etag);
}

TEST_F(PageTest, HasNothingElse) {
  start();
  for (const std::string_view path :
       {"/page/", "/page/none.js", "/page/../openapi.json", "/page"}) {
    EXPECT_EQ(answer_to(get(path)).status, 404) << path;
  }
  const RawResponse post_answer = answer_to(post("/", "{}"));
  EXPECT_EQ(post_answer.status, 405);
  EXPECT_TRUE(post_answer.has_header("Allow: GET\r\n"));
}

}  // namespace
}  // namespace pith
