namespace Crosscore.Litmus.Syntax;

/// <summary>What instructions of all instruction sets have in common.</summary>
internal interface ITestInstruction
{
    /// <summary>Gets the place in the file.</summary>
    SourcePosition Position { get; }

    /// <summary>Gets the instruction as written, white space folded.</summary>
    string Text { get; }

    /// <summary>Gets the command of a membarrier(2) call; <see langword="null"/> for any other instruction.</summary>
    MembarrierCommand? Command { get; }

    /// <summary>Gets the name and the arguments of another system call; empty for any other instruction.</summary>
    IReadOnlyList<string> SystemCall { get; }
}
