# Reference values of statistics. Rscript stats_reference.R INPUT OUTPUT
# INPUT: one data set a line, "function|numbers|numbers|...", numbers in hexadecimal notation.
# OUTPUT: its values on the same line of the output; NA for each that R cannot give.
suppressPackageStartupMessages({
  library(survival)
  library(pROC)
  library(psych)
})

spread <- function(values) paste(ifelse(is.na(values), "NA", sprintf("%a", values)), collapse = " ")

reference <- list(
  mean = function(x) {
    test <- t.test(x)
    c(test$estimate, test$conf.int, test$stderr)
  },
  quartiles = function(x) quantile(x, c(0.25, 0.5, 0.75)),
  wilcoxon = function(x) {
    test <- wilcox.test(x, correct = FALSE, exact = sum(x != 0) <= 50)
    c(test$statistic, test$p.value)
  },
  mcnemar = function(x) binom.test(x[1], x[1] + x[2])$p.value,
  spearman = function(x, y) {
    ties <- anyDuplicated(x) > 0 || anyDuplicated(y) > 0
    test <- cor.test(x, y, method = "spearman", exact = length(x) <= 9 && !ties)
    c(test$estimate, test$p.value)
  },
  holm = function(p) p.adjust(ifelse(p < 0, NA, p), "holm"),
  proportion = function(x) c(prop.test(x[1], x[2], correct = FALSE)$conf.int,
                             binom.test(x[1], x[2])$conf.int),
  auc = function(positive, negative) {
    curve <- roc(rep(c(1, 0), c(length(positive), length(negative))), c(positive, negative),
                 levels = c(0, 1), direction = "<", quiet = TRUE)
    variance <- tryCatch(var(curve, method = "delong"), error = function(e) NA)
    limits <- tryCatch(ci.auc(curve, method = "delong"), error = function(e) c(NA, NA, NA))
    c(auc(curve), sqrt(variance), limits[1], limits[3],
      rev(curve$sensitivities), rev(curve$specificities))
  },
  kappa = function(table) {
    k <- sqrt(length(table))
    found <- cohen.kappa(matrix(table, k, k, byrow = TRUE))
    c(found$kappa, sqrt(found$var.kappa), found$confid[1, c(1, 3)])
  },
  bland_altman = function(d) {
    n <- length(d)
    bias <- t.test(d)
    half <- qt(0.975, n - 1) * sqrt(var(d) / n + 1.96^2 * var(d) / (2 * (n - 1)))
    limits <- mean(d) + c(-1, 1) * 1.96 * sd(d)
    c(bias$estimate, bias$conf.int, sd(d), limits, limits[1] - half, limits[1] + half,
      limits[2] - half, limits[2] + half)
  },
  icc = function(x, y) {
    found <- ICC(cbind(x, y), lmer = FALSE)$results
    unlist(c(found[2, c(2, 7, 8)], found[3, c(2, 7, 8)]))
  },
  kaplan_meier = function(time, event) {
    fit <- survfit(Surv(time, event) ~ 1, conf.type = "log-log", timefix = FALSE)
    half <- summary(fit)$table[c("median", "0.95LCL", "0.95UCL")]
    c(half, fit$time, fit$n.risk, fit$n.event, fit$n.censor,
      fit$surv, fit$std.err * fit$surv, fit$lower, fit$upper)
  }
)

arguments <- commandArgs(trailingOnly = TRUE)
answers <- vapply(strsplit(readLines(arguments[1]), "|", fixed = TRUE), function(parts) {
  data <- lapply(strsplit(parts[-1], " ", fixed = TRUE), as.numeric)
  values <- tryCatch(suppressMessages(suppressWarnings(do.call(reference[[parts[1]]], data))),
                     error = function(e) NA)
  spread(values)
}, "")
writeLines(answers, arguments[2])
