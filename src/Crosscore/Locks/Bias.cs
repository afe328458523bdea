using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// One period during which a <see cref="BiasedLock"/> belongs to a thread. It is revoked once and never revived: the
/// next period has an object of its own, so nobody confuses the two. The owner alone writes <c>_held</c>; nothing else
/// that is written often lies within 128 bytes of it.
/// </summary>
[StructLayout(LayoutKind.Explicit)]
internal sealed class Bias(Thread owner)
{
    private static readonly TimeSpan LookForOwner = TimeSpan.FromSeconds(1);

    [FieldOffset(120)]
    private readonly Thread _owner = owner;

    // Set by the owner when it has let go and sees that the bias is revoked. Written by the revoker before _revoked.
    [FieldOffset(128)]
    private ManualResetEventSlim? _letGo;

    // How often the owner has entered.
    [FieldOffset(136)]
    private int _held;

    // Written by the one who holds the lock behind the bias.
    [FieldOffset(140)]
    private bool _revoked;

    [FieldOffset(141)]
    private bool _fenced;

    [FieldOffset(144)]
    public CacheLines Behind;

    public bool IsOwner
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _owner == Thread.CurrentThread;
    }

    /// <summary>Whether the owner is inside; others than it get an answer that may be old.</summary>
    public bool IsHeld => Volatile.Read(ref _held) > 0;

    /// <summary>For the owner only. Enters unless the bias was revoked.</summary>
    /// <remarks>
    /// Store, light fence, look. Pairs with <see cref="TryRevoke"/>, which stores, passes a process-wide barrier and
    /// looks: at least one of the two sees the other. Fails without: litmus/locks/BiasedLock.NoBarrier.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryEnter()
    {
        int held = _held;
        Volatile.Write(ref _held, held + 1);
        if (held > 0)
        {
            return true; // a revoker waits for the outermost exit, whether it has come already or not
        }

        AsymmetricFence.Light();
        if (!Volatile.Read(ref _revoked))
        {
            return true;
        }

        Leave();
        return false;
    }

    /// <summary>For the owner only.</summary>
    /// <remarks>
    /// A release store: the section comes before it. Pairs with the acquire load in <see cref="TryRevoke"/>. With a
    /// plain store an AArch64 core may let the revoker see that the owner is out before it sees what the owner wrote
    /// inside, and the revoker would need a second process-wide barrier after its wait; the .NET runtime's own test of
    /// such a lock lacked both for years (dotnet/runtime#39668). Fails without:
    /// litmus/locks/BiasedLock.Exit.PlainStore.litmus. The light fence and the look that follow pair with the revoker's
    /// barrier as above, so either the revoker sees that the owner is out, or the owner wakes it. Fails without:
    /// litmus/locks/BiasedLock.WakeUp.NoBarrier.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit()
    {
        int held = _held;
        if (held <= 0)
        {
            BiasedLock.ThrowNotHeld();
        }

        if (held == 1)
        {
            Leave();
        }
        else
        {
            Volatile.Write(ref _held, held - 1);
        }
    }

    /// <summary>
    /// Takes the bias from its owner, and waits until the owner is outside. For the one who holds the lock behind the
    /// bias.
    /// </summary>
    /// <returns>Whether the owner is outside; otherwise it was inside all the time. Revoked it is in any
    /// case.</returns>
    /// <exception cref="SynchronizationLockException">The owner ended inside.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting.</exception>
    public bool TryRevoke(Deadline deadline)
    {
        if (!_fenced)
        {
            _letGo ??= new ManualResetEventSlim();
            Volatile.Write(ref _revoked, true);

            // Pairs with the light fences of TryEnter and Leave.
            AsymmetricFence.Heavy();
            _fenced = true; // not if the barrier failed: then the next one tries again
        }

        while (Volatile.Read(ref _held) != 0)
        {
            if (_owner.IsAlive)
            {
                // Once set it stays so: from then on the owner raises _held only to take it back.
                if (!_letGo!.Wait(deadline.Slice(LookForOwner)) && deadline.IsOver)
                {
                    return Volatile.Read(ref _held) == 0;
                }
            }
            else if (Volatile.Read(ref _held) != 0)
            {
                throw new SynchronizationLockException(
                    "The thread that held the lock ended without releasing it, so what the "
                        + "lock protects may be half changed. The lock cannot be entered any more."
                );
            }
        }

        return true;
    }

    private void Leave()
    {
        Volatile.Write(ref _held, 0);
        AsymmetricFence.Light();
        if (Volatile.Read(ref _revoked))
        {
            WakeRevoker();
        }
    }

    // Apart, so that leaving stays small.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WakeRevoker()
    {
        using var steady = new Uninterrupted();
        steady.Set(_letGo!);
    }
}
