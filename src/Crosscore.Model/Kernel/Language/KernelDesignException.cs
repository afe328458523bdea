namespace Crosscore.Model.Kernel.Language;

/// <summary>A kernel design that cannot be used: it says where, what was found there and what was expected.</summary>
public sealed class KernelDesignException : Exception
{
    /// <summary>Reports an error at a place in a file.</summary>
    /// <param name="file">The file as the user named it.</param>
    /// <param name="line">The line, from 1.</param>
    /// <param name="column">The column, from 1, in characters.</param>
    /// <param name="problem">What was found and what was expected, without the place.</param>
    public KernelDesignException(string file, int line, int column, string problem)
        : base($"{file}:{line}:{column}: {problem}")
    {
        File = file;
        Line = line;
        Column = column;
        Problem = problem;
    }

    /// <summary>The file as the user named it.</summary>
    public string File { get; }

    /// <summary>The line, from 1.</summary>
    public int Line { get; }

    /// <summary>The column, from 1, in characters.</summary>
    public int Column { get; }

    /// <summary>What was found and what was expected, without the place.</summary>
    public string Problem { get; }
}
