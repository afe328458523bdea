using System.Runtime.InteropServices;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// The SIGTRAP handler of this process: put in place once, before the first live code, and looked after before every batch. It keeps the flags and the mask of the handler before it: .NET's runs on the thread's own stack
/// (no SA_ONSTACK), and crashes on another. Used under the lock of patches.
/// </summary>
internal static unsafe class BreakpointHandler
{
    private static readonly List<nint> Ours = []; // None is ever unmapped: somebody may have saved its address to chain to it.

    /// <summary>Puts a handler in place, unless one of ours is: in front of whatever is there now.</summary>
    /// <exception cref="CodeException">The system refused, or others set handlers all the while; the handler that was there is there.</exception>
    public static void Install() => Install(() => { });

    /// <param name="meanwhile">Called after the look at the handler that is there, and before another takes its place: the moment at which somebody else may set one.</param>
    internal static void Install(Action meanwhile)
    {
        SignalAction previous = Current();
        if (Ours.Contains(previous.Handler))
        {
            return;
        }

        // SAFETY: one word, written before the handler can run and never freed, because the handler never is.
        nint* chained = (nint*)NativeMemory.Alloc((nuint)sizeof(nint));
        CodeRange range = CodeRange.OfThisProcess;
        InstalledCode installed;
        try
        {
            using SealedCode code = SealedCode.Seal(HandlerCode.Emit(BreakpointControl.Address, range.Start, range.Length, (nint)chained));
            installed = code.Install();
        }
        catch
        {
            NativeMemory.Free(chained); // SAFETY: nothing that knows the word exists.
            throw;
        }

        meanwhile();
        Volatile.Write(ref *chained, previous.Handler);
        int answer = Signals.Exchange(Signals.SIGTRAP, InFrontOf(previous, installed.Address), out SignalAction replaced);
        if (answer < 0)
        {
            installed.Dispose();
            NativeMemory.Free(chained); // SAFETY: the only code that knows the word was never executed and is gone.
            throw Refused(answer);
        }

        Ours.Add(installed.Address);
        if (replaced.IsSameAs(previous))
        {
            return;
        }

        // Somebody has set a handler since we looked, and we have taken its place: it is the one to pass on to, and whose flags are to be kept. Until the next line its signals went to the one before it.
        Volatile.Write(ref *chained, replaced.Handler);
        answer = Signals.Exchange(Signals.SIGTRAP, InFrontOf(replaced, installed.Address), out SignalAction again);
        if (answer == 0 && again.Handler != installed.Address)
        {
            // And once more. That one may pass on to us, so we must not pass on to it.
            answer = Signals.Set(Signals.SIGTRAP, again);
            if (answer == 0)
            {
                throw new CodeException(
                    CodeFailure.BreakpointHandler, "Other threads set handlers of SIGTRAP while this one did. The last of theirs is in place; call LiveCode.RestoreBreakpointHandler when they have finished.");
            }
        }

        if (answer < 0)
        {
            throw Refused(answer);
        }
    }

    /// <summary>Why no breakpoint may be set now, or null: a handler that is not ours would take it for a mistake of the program and end the process.</summary>
    /// <exception cref="CodeException">The system does not say which handler there is.</exception>
    public static string? Obstacle()
    {
        nint handler = Current().Handler;
        return Ours.Contains(handler)
            ? null
            : $"the handler of SIGTRAP is 0x{handler:X} now, which is not this library's: somebody replaced it after live code was installed. "
                + "Call LiveCode.RestoreBreakpointHandler to put one in front of it";
    }

    private static SignalAction InFrontOf(SignalAction previous, nint handler)
    {
        SignalAction action = previous;
        action.Handler = handler;

        // The handler needs the context, which the kernel passes in any case, and si_code, which it writes for SA_SIGINFO only. A handler without that flag looks at its first argument alone.
        // SA_RESETHAND would take us away at the first signal.
        action.Flags = (previous.Flags | Signals.SA_SIGINFO) & ~Signals.SA_RESETHAND;
        if (previous.Handler is Signals.SIG_DFL or Signals.SIG_IGN)
        {
            action.Flags = Signals.SA_SIGINFO;
            new Span<ulong>(action.Mask, SignalAction.MaskWords).Clear(); // SAFETY: the field has as many words, and the structure is a local.
        }

        return action;
    }

    private static SignalAction Current()
    {
        int answer = Signals.Get(Signals.SIGTRAP, out SignalAction action);
        return answer == 0 ? action : throw Refused(answer);
    }

    private static CodeException Refused(int answer) => new(
        CodeFailure.BreakpointHandler, $"sigaction(SIGTRAP) answered {Errno.Name(-answer)}: a sandbox forbids it. Live code needs a handler for its breakpoints.", -answer);
}
