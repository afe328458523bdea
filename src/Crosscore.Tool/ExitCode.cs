namespace Crosscore.Tool;

/// <summary>The command's exit statuses.</summary>
internal static class ExitCode
{
    /// <summary>All as expected.</summary>
    public const int Success = 0;

    /// <summary>A disagreement, or an unmet expectation.</summary>
    public const int Failure = 1;

    /// <summary>Bad input: a file or an argument that cannot be understood.</summary>
    public const int BadInput = 2;

    /// <summary>A mistake of this program.</summary>
    public const int InternalError = 70;
}
