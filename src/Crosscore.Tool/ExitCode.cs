namespace Crosscore.Tool;

/// <summary>The command's exit statuses.</summary>
internal static class ExitCode
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
}
