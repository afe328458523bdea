using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// The SIGTRAP handler of this process: put in place once, before the first live code, and looked after before every batch. It keeps the flags and the mask of the handler before it: .NET's runs on the thread's own stack
/// (no SA_ONSTACK), and crashes on another. Used under the lock of patches.
/// </summary>
internal static class BreakpointHandler
{
    private static readonly List<nint> Ours = []; // None is ever unmapped: somebody may have saved its address to chain to it.

    /// <summary>Puts a handler in place, unless one of ours is: in front of whatever is there now.</summary>
    /// <exception cref="CodeException">The system refused.</exception>
    public static unsafe void Install()
    {
        SignalAction previous = Current();
        if (Ours.Contains(previous.Handler))
        {
            return;
        }

        CodeRange range = CodeRange.OfThisProcess;
        using SealedCode code = SealedCode.Seal(HandlerCode.Emit(BreakpointControl.Address, range.Start, range.Length, previous.Handler));
        InstalledCode installed = code.Install();
        SignalAction action = previous;
        action.Handler = installed.Address;

        // The handler needs the context, which the kernel passes in any case, and si_code, which it writes for SA_SIGINFO only. A handler without that flag looks at its first argument alone.
        // SA_RESETHAND would take us away at the first signal.
        action.Flags = (previous.Flags | Signals.SA_SIGINFO) & ~Signals.SA_RESETHAND;
        if (previous.Handler is Signals.SIG_DFL or Signals.SIG_IGN)
        {
            action.Flags = Signals.SA_SIGINFO;
            new Span<ulong>(action.Mask, 16).Clear(); // SAFETY: the field has 16 words, and the structure is a local.
        }

        int answer = Signals.Set(Signals.SIGTRAP, action);
        if (answer < 0)
        {
            installed.Dispose();
            throw new CodeException(CodeFailure.BreakpointHandler, $"sigaction(SIGTRAP) answered {Errno.Name(-answer)}: a sandbox forbids it. Live code needs a handler for its breakpoints.", -answer);
        }

        Ours.Add(installed.Address);
    }

    /// <summary>Why no breakpoint may be set now, or null: a handler that is not ours would take it for a mistake of the program and end the process.</summary>
    public static string? Obstacle()
    {
        nint handler = Current().Handler;
        return Ours.Contains(handler)
            ? null
            : $"the handler of SIGTRAP is 0x{handler:X} now, which is not this library's: somebody replaced it after live code was installed. "
                + "Call LiveCode.RestoreBreakpointHandler to put one in front of it";
    }

    private static SignalAction Current()
    {
        int answer = Signals.Get(Signals.SIGTRAP, out SignalAction action);
        return answer == 0
            ? action
            : throw new CodeException(CodeFailure.BreakpointHandler, $"sigaction(SIGTRAP) answered {Errno.Name(-answer)}: a sandbox forbids it. Live code needs a handler for its breakpoints.", -answer);
    }
}
