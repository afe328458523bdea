namespace Crosscore.Litmus.Syntax;

/// <summary>
/// A litmus file that cannot be used: it says where, what was found there and what was expected.
/// </summary>
internal sealed class LitmusException : Exception
{
    /// <summary>Reports an error at a place in a file.</summary>
    /// <param name="file">The file as the user named it.</param>
    /// <param name="position">Where in the file.</param>
    /// <param name="problem">What was found and what was expected, without the place.</param>
    public LitmusException(string file, SourcePosition position, string problem)
        : base($"{file}:{position}: {problem}")
    {
        File = file;
        Position = position;
        Problem = problem;
    }

    /// <summary>Gets the file as the user named it.</summary>
    public string File { get; }

    /// <summary>Gets where in the file.</summary>
    public SourcePosition Position { get; }

    /// <summary>Gets what was found and what was expected, without the place.</summary>
    public string Problem { get; }
}
