// A plugin for clang-tidy, made by tools/lint: checks look at what the project
// declares, and not at what the headers of the system and of libraries do.
#include <clang/AST/ASTConsumer.h>
#include <clang/AST/ASTContext.h>
#include <clang/Basic/SourceManager.h>
#include <clang/Frontend/FrontendPluginRegistry.h>

#include <memory>
#include <string>
#include <vector>

namespace {

struct own_declarations : clang::ASTConsumer {
  void HandleTranslationUnit(clang::ASTContext& context) override {
    const auto& sources = context.getSourceManager();
    std::vector<clang::Decl*> own;
    for (auto* each : context.getTranslationUnitDecl()->decls()) {
      const auto place = sources.getExpansionLoc(each->getLocation());
      if (place.isValid() && !sources.isInSystemHeader(place))
        own.push_back(each);
    }
    context.setTraversalScope(own);
  }
};

struct before_the_checks : clang::PluginASTAction {
  std::unique_ptr<clang::ASTConsumer>
  CreateASTConsumer(clang::CompilerInstance&, llvm::StringRef) override {
    return std::make_unique<own_declarations>();
  }

  bool ParseArgs(const clang::CompilerInstance&,
                 const std::vector<std::string>&) override {
    return true;
  }

  ActionType getActionType() override {
    return AddBeforeMainAction;
  }
};

const clang::FrontendPluginRegistry::Add<before_the_checks>
  registered("lint-scope", "leaves out what other people's headers declare");

} // namespace
