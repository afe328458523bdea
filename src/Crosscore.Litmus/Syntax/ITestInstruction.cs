namespace Crosscore.Litmus.Syntax;

/// <summary>What all instructions of tests have, whatever the architecture.</summary>
public interface ITestInstruction
{
    /// <summary>Where it stands.</summary>
    SourcePosition Position { get; }

    /// <summary>As written, white space folded.</summary>
    string Text { get; }

    /// <summary>The command, if it is a membarrier(2) call; otherwise <see langword="null"/>.</summary>
    MembarrierCommand? Command { get; }

    /// <summary>The name and the arguments of another system call; empty for anything else.</summary>
    IReadOnlyList<string> SystemCall { get; }
}
