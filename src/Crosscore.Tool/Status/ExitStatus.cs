using Crosscore.Litmus.Bench;

namespace Crosscore.Tool.Status;

/// <summary>The command's exit statuses, and which of them a test causes.</summary>
internal static class ExitStatus
{
    /// <summary>Nothing failed that <c>--fail-on</c> names.</summary>
    public const int Success = 0;

    /// <summary>An expectation was not met.</summary>
    public const int Failure = 1;

    /// <summary>Bad input: a file or an argument that cannot be understood.</summary>
    public const int BadInput = 2;

    /// <summary>
    /// Nothing was expected, and the question of a test is violated, or a design is worse than the one that it extends.
    /// </summary>
    public const int Violated = 3;

    /// <summary>A bug in this program.</summary>
    public const int InternalError = 70;

    /// <summary>The exit status of one test.</summary>
    public static int Of(TestReport report, FailOn failOn)
    {
        FailOn asked = report.Verdict switch
        {
            TestVerdict.AsExpected or TestVerdict.NoExpectation => FailOn.Nothing,
            TestVerdict.Violated or TestVerdict.Worse => FailOn.Violated,
            TestVerdict.KnownDefect => FailOn.KnownDefect,

            // An expectation that could not be decided is not met.
            TestVerdict.Undecided => FailOn.Undecided | (report.HasExpectation ? FailOn.Unexpected : FailOn.Nothing),

            // A user who asks to run a test, and for nothing else, expects that it runs; so does a test that expects
            // an answer.
            TestVerdict.NotRun => FailOn.NotRun | (report.IsMissed ? FailOn.Unexpected : FailOn.Nothing),
            _ => FailOn.Unexpected,
        };
        asked |= report.MayHang ? FailOn.MayHang : FailOn.Nothing;
        return Of(asked & failOn);
    }

    public static int Of(FailOn failed) =>
        failed switch
        {
            FailOn.Nothing => Success,
            FailOn.Violated => Violated,
            _ => Failure,
        };
}
