#include "io/registry.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "io/download.h"
#include "io/model_store.h"
#include "support/temporary_folder.h"

namespace pith {
namespace {

using Json = nlohmann::json;

Json sample() {
  return Json::parse(R"({"models": [{
    "name": "tiny", "aliases": ["Small"], "title": "T", "architecture": "llama", "licence": "MIT",
    "files": [{"name": "f.gguf", "bytes": 25, "sha256": ")" +
                     std::string(64, 'a') + R"(",
      "sources": [
        {"hub": {"repository": "owner/name", "file": "folder/f.gguf"}},
        {"wheels": {"package": "p-{n}", "version": "1.0", "member": "d/{nn}.bin", "parts": 3,
          "part_bytes": 10}}]}]}]})");
}

TEST(Registry, BuiltIn) {
  unsetenv("PITH_REGISTRY");
  const auto registry = Registry::load();
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_EQ(registry->default_model().name, "qwen2.5-coder-1.5b");
  EXPECT_EQ(registry->find("default"), &registry->default_model());
  EXPECT_EQ(registry->find("smollm2-135m")->bytes(), 98362432);
  EXPECT_TRUE(registry->find("qwen2.5-coder-0.5b")->pinned());
  EXPECT_FALSE(registry->find("qwen3-4b")->pinned());
}

TEST(Registry, FieldsAreRead) {
  const auto registry = Registry::parse(sample().dump(), "test");
  ASSERT_TRUE(registry) << registry.error().message;
  const RegistryModel& model = registry->models()[0];
  EXPECT_EQ(model.bytes(), 25);
  const auto& wheels = std::get<WheelSource>(model.files[0].sources[1]);
  EXPECT_EQ(wheels.parts, 3);
  EXPECT_EQ(wheels.part_bytes, 10);
  EXPECT_EQ(std::get<HubSource>(model.files[0].sources[0]).file, "folder/f.gguf");
}

TEST(Registry, NamesAndAliasesOfAnyCase) {
  const auto registry = Registry::parse(sample().dump(), "test");
  ASSERT_TRUE(registry);
  for (const char* name : {"tiny", "TINY", "small", "Small", "default"}) {
    EXPECT_EQ(registry->find(name), &registry->models()[0]) << name;
  }
  EXPECT_EQ(registry->find("smal"), nullptr);
  EXPECT_EQ(registry->find(""), nullptr);
}

TEST(Registry, CloseNamesAreSuggested) {
  unsetenv("PITH_REGISTRY");
  const auto registry = Registry::load();
  ASSERT_TRUE(registry);
  const auto message = [&](const std::string& name) {
    return registry->require(name).error().message;
  };
  EXPECT_NE(message("qwen2.5-coder-1.5").find("did you mean qwen2.5-coder-1.5b"),
            std::string::npos);
  EXPECT_NE(message("smollm").find("smollm2-135m"), std::string::npos);
  EXPECT_NE(message("qwen3").find("qwen3-0.6b, qwen3-1.7b, qwen3-4b"), std::string::npos);
  EXPECT_EQ(message("something else").find("did you mean"), std::string::npos);
  EXPECT_EQ(message(std::string(100000, 'q')).find("did you mean"), std::string::npos);
  EXPECT_EQ(message("bad\nname").find('\n'), std::string::npos);
}

// Each change makes the sample a registry that must be refused.
TEST(Registry, EveryFieldIsChecked) {
  const std::vector<std::pair<const char*, Json>> changes = {
      {"/models", Json::array()},
      {"/models", 3},
      {"/models/0", "text"},
      {"/models/0/name", "Upper"},
      {"/models/0/name", "../up"},
      {"/models/0/name", ".hidden"},
      {"/models/0/name", ""},
      {"/models/0/name", 7},
      {"/models/0/aliases", "text"},
      {"/models/0/aliases/0", "a/b"},
      {"/models/0/title", nullptr},
      {"/models/0/files", Json::array()},
      {"/models/0/files/0/name", "a/b.gguf"},
      {"/models/0/files/0/name", "-rf"},
      {"/models/0/files/0/name", "a\nb"},
      {"/models/0/files/0/bytes", -1},
      {"/models/0/files/0/bytes", 1.5},
      {"/models/0/files/0/bytes", 31},
      {"/models/0/files/0/bytes", 20},
      {"/models/0/files/0/bytes", 0},
      {"/models/0/files/0/bytes", ~uint64_t{0}},
      {"/models/0/files/0/sha256", "short"},
      {"/models/0/files/0/sha256", std::string(64, 'A')},
      {"/models/0/files/0/sources", Json::array()},
      {"/models/0/files/0/sources/0", {{"ftp", "x"}}},
      {"/models/0/files/0/sources/0/hub/repository", "no-slash"},
      {"/models/0/files/0/sources/0/hub/repository", "a/b/c"},
      {"/models/0/files/0/sources/0/hub/file", "../../etc/passwd"},
      {"/models/0/files/0/sources/0/hub/file", "a?b"},
      {"/models/0/files/0/sources/1/wheels/package", "--index-url=x"},
      {"/models/0/files/0/sources/1/wheels/version", "1.0 extra"},
      {"/models/0/files/0/sources/1/wheels/member", "/etc/passwd"},
      {"/models/0/files/0/sources/1/wheels/parts", 0},
      {"/models/0/files/0/sources/1/wheels/parts", 1000000000},
      {"/models/0/files/0/sources/1/wheels/part_bytes", 0},
      {"/models/0/files/0/sources/1", {{"hub", {{"repository", "a/b"}, {"file", "f"}}}}},
      {"/default", "none"},
      {"/models/1", sample()["models"][0]},
  };
  for (const auto& [where, value] : changes) {
    Json json = sample();
    json[Json::json_pointer(where)] = value;
    const auto registry = Registry::parse(json.dump(), "the-file");
    ASSERT_FALSE(registry) << where << " = " << value;
    EXPECT_EQ(registry.error().code, ErrorCode::corrupt);
    EXPECT_TRUE(registry.error().message.starts_with("the-file: ")) << registry.error().message;
  }
}

TEST(Registry, NotJson) {
  EXPECT_FALSE(Registry::parse("", "f"));
  EXPECT_FALSE(Registry::parse("{\"models\": [", "f"));
  EXPECT_FALSE(Registry::parse(std::string(100000, '['), "f"));
  EXPECT_FALSE(Registry::parse("\xff\xfe", "f"));
}

TEST(Registry, FileOfTheUserAddsAndReplaces) {
  const testing::TemporaryFolder folder;
  Json json = sample();
  json["models"].push_back(json["models"][0]);
  json["models"][1]["name"] = "qwen3-4b";
  json["models"][1]["aliases"] = Json::array();
  testing::put(folder / "r.json", json.dump());
  setenv("PITH_REGISTRY", (folder / "r.json").c_str(), 1);
  const auto registry = Registry::load();
  setenv("PITH_REGISTRY", (folder / "none.json").c_str(), 1);
  const auto missing = Registry::load();
  unsetenv("PITH_REGISTRY");
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_EQ(registry->models().back().name, "tiny");
  EXPECT_EQ(registry->find("qwen3-4b")->title, "T");
  EXPECT_EQ(registry->default_model().name, "qwen2.5-coder-1.5b");
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

TEST(ModelStore, HomeIsTheFirstThatIsSet) {
  setenv("HOME", "/home/someone", 1);
  unsetenv("XDG_CACHE_HOME");
  unsetenv("PITH_HOME");
  EXPECT_EQ(ModelStore::locate()->home(), "/home/someone/.cache/pith/models");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(ModelStore::locate()->home(), "/cache/pith/models");
  setenv("PITH_HOME", "/models/../store", 1);
  EXPECT_EQ(ModelStore::locate()->home(), "/store");
  setenv("PITH_HOME", "relative", 1);
  EXPECT_EQ(ModelStore::locate()->home(), std::filesystem::current_path().string() + "/relative");
  unsetenv("PITH_HOME");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  EXPECT_EQ(ModelStore::locate().error().code, ErrorCode::usage);
}

TEST(Hub, TokenGoesOverHttpsOrStaysHere) {
  setenv("HF_TOKEN", "secret", 1);
  const auto token = [](const char* endpoint) {
    setenv("HF_ENDPOINT", endpoint, 1);
    return hub_token();
  };
  EXPECT_EQ(token(""), "secret");
  EXPECT_EQ(token("https://mirror.example"), "secret");
  EXPECT_EQ(token("http://127.0.0.1:80"), "secret");
  EXPECT_EQ(token("http://localhost"), "secret");
  EXPECT_EQ(token("http://mirror.example"), "");
  EXPECT_EQ(token("http://127.0.0.1.example"), "");
  EXPECT_EQ(token("http://localhost.example/"), "");
  EXPECT_EQ(hub_url("a/b", "c"), "http://localhost.example/a/b/resolve/main/c");
  unsetenv("HF_ENDPOINT");
  unsetenv("HF_TOKEN");
  EXPECT_EQ(hub_token(), "");
  EXPECT_EQ(hub_url("a/b", "c"), "https://huggingface.co/a/b/resolve/main/c");
}

}  // namespace
}  // namespace pith
