using System.Runtime.InteropServices;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// The SIGTRAP handler of this process: installed once, before the first live code, and checked before every batch. It
/// keeps the flags and the mask of the handler before it: .NET's runs on the thread's own stack (no SA_ONSTACK), and
/// crashes on another. Used under the lock of patches.
/// </summary>
internal static unsafe class BreakpointHandler
{
    // None is ever unmapped: another handler may have saved its address to chain to it.
    private static readonly List<nint> Ours = [];

    /// <summary>Installs a handler in front of the present one, unless the present one is ours.</summary>
    /// <exception cref="CodeException">The system refused.</exception>
    public static void Install()
    {
        SignalAction there = Current();
        if (!Ours.Contains(there.Handler))
        {
            PutInFrontOf(there, there);
        }
    }

    /// <summary>Makes a handler that passes on what is not ours, and installs it.</summary>
    /// <param name="next">The handler that it passes signals on to.</param>
    /// <param name="seen">The handler that the caller found. If there is another one now, it was set since, and the
    /// handler passes signals on to that one instead.</param>
    internal static void PutInFrontOf(in SignalAction next, in SignalAction seen)
    {
        // SAFETY: one word; written before the handler can run, and not freed afterwards, because the handler never
        // goes.
        nint* passedOnTo = (nint*)NativeMemory.Alloc((nuint)sizeof(nint));
        *passedOnTo = next.Handler;
        InstalledCode? installed = null;
        SignalAction action;
        SignalAction replaced;
        try
        {
            CodeRange range = CodeRange.OfThisProcess;
            using SealedCode code = SealedCode.Seal(
                HandlerCode.Emit(BreakpointControl.Address, range.Start, range.Length, (nint)passedOnTo)
            );
            installed = code.Install();
            _ = Ours.EnsureCapacity(Ours.Count + 1);
            action = InFrontOf(next, installed.Address);
            replaced = Exchange(action);
        }
        catch
        {
            installed?.Dispose();
            NativeMemory.Free(passedOnTo); // SAFETY: the handler that knows the word was never in place.
            throw;
        }

        Ours.Add(installed.Address);
        if (replaced.IsSameAs(seen))
        {
            return;
        }

        // Another part of the process has set a handler since we looked, and we have replaced it. sigaction(2) cannot
        // compare and exchange, so a signal that came in between went to the handler before it.
        Volatile.Write(ref *passedOnTo, replaced.Handler);
        SignalAction mirrored = InFrontOf(replaced, installed.Address);
        if (!mirrored.IsSameAs(action) && Exchange(mirrored) is var again && again.Handler != installed.Address)
        {
            // And again, while we were adopting the flags. That one may pass signals on to us, so we must not pass them
            // on to it: it gets another handler in front of it.
            PutInFrontOf(again, mirrored);
        }
    }

    /// <summary>
    /// Says why no breakpoint may be set now, or returns null: a handler that is not ours would take it for an error of
    /// the program and end the process.
    /// </summary>
    /// <exception cref="CodeException">The system does not say which handler there is.</exception>
    public static string? Obstacle()
    {
        int answer = Signals.Get(Signals.SIGTRAP, out SignalAction there);
        return answer < 0
                ? $"sigaction(SIGTRAP) answered {Errno.Name(-answer)}, so it is not known whose handler there is: a "
                    + "sandbox forbids it"
            : Ours.Contains(there.Handler) ? null
            : $"the handler of SIGTRAP is 0x{there.Handler:X} now, which is not this library's: another part of the "
                + "process replaced it after live code was installed. Call LiveCode.RestoreBreakpointHandler to "
                + "install one in front of it";
    }

    private static SignalAction InFrontOf(SignalAction next, nint handler)
    {
        SignalAction action = next;
        action.Handler = handler;

        // The handler needs the context, which the kernel passes in any case, and si_code, which it writes for
        // SA_SIGINFO only. A handler without that flag reads its first argument alone. SA_RESETHAND would remove us at
        // the first signal.
        action.Flags = (next.Flags | Signals.SA_SIGINFO) & ~Signals.SA_RESETHAND;
        if (next.Handler is Signals.SIG_DFL or Signals.SIG_IGN)
        {
            action.Flags = Signals.SA_SIGINFO;
            // SAFETY: the field has as many words, and the structure is a local.
            new Span<ulong>(action.Mask, SignalAction.MaskWords).Clear();
        }

        return action;
    }

    private static SignalAction Current()
    {
        int answer = Signals.Get(Signals.SIGTRAP, out SignalAction action);
        return answer == 0 ? action : throw Refused(answer);
    }

    private static SignalAction Exchange(in SignalAction action)
    {
        int answer = Signals.Exchange(Signals.SIGTRAP, action, out SignalAction replaced);
        return answer == 0 ? replaced : throw Refused(answer);
    }

    private static CodeException Refused(int answer) =>
        new(
            CodeFailure.BreakpointHandler,
            $"sigaction(SIGTRAP) answered {Errno.Name(-answer)}: a sandbox forbids it. Live code needs a handler for "
                + "its breakpoints.",
            -answer
        );
}
