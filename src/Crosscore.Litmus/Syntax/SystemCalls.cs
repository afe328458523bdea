namespace Crosscore.Litmus.Syntax;

/// <summary>Reads the operands of system calls, which are written alike in every instruction set.</summary>
internal static class SystemCalls
{
    private const string Prefix = "MEMBARRIER_CMD_";

    private static readonly Dictionary<string, MembarrierCommand> Commands = new(StringComparer.OrdinalIgnoreCase)
    {
        ["global"] = MembarrierCommand.Global,
        ["global_expedited"] = MembarrierCommand.GlobalExpedited,
        ["private_expedited"] = MembarrierCommand.PrivateExpedited,
        ["private_expedited_sync_core"] = MembarrierCommand.PrivateExpeditedSyncCore,
        ["private_expedited_rseq"] = MembarrierCommand.PrivateExpeditedRseq,
    };

    /// <summary>Reads the command of a membarrier(2) call.</summary>
    /// <param name="scanner">The text behind <c>membarrier</c>.</param>
    public static MembarrierCommand ReadCommand(LitmusScanner scanner)
    {
        Token command = scanner.Next();
        string name = command.Text;
        if (name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
        {
            name = name[Prefix.Length..];
        }

        return Commands.TryGetValue(name, out MembarrierCommand value)
            ? value
            : throw scanner.Unexpected(command, $"one of the commands {string.Join(", ", Commands.Keys)}");
    }

    /// <summary>Reads the name and the arguments of a call; the kernel design defines their meaning.</summary>
    /// <param name="scanner">The text behind <c>syscall</c>.</param>
    public static IReadOnlyList<string> ReadWords(LitmusScanner scanner)
    {
        var words = new List<string>();
        while (scanner.Peek().Kind is TokenKind.Name or TokenKind.Number)
        {
            words.Add(scanner.Next().Text);
        }

        return words.Count > 0
            ? words
            : throw scanner.Unexpected(scanner.Peek(), "the name of a system call of the kernel design");
    }
}
