using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Linux;

namespace Crosscore.PerCpu;

/// <summary>
/// Zeroed memory for the slots of all possible CPUs, of which only what is touched takes memory: slots of CPUs that
/// never run a thread of this process are addresses and nothing else. Small ones, and all where the system does not map
/// on demand, are a pinned array.
/// </summary>
/// <remarks>
/// The mapping is removed when the memory of the object that uses the addresses is reclaimed, which is later than when
/// it became unreachable: finalizers of other objects may still use it.
/// </remarks>
internal sealed unsafe class SlotMemory
{
    /// <summary>Up to here an array costs less than a separate mapping, its finalizer and its page fault.</summary>
    public const int MaxArrayBytes = 1 << 16;

    /// <summary>
    /// The maximum number of addresses that per-CPU data takes: a 128th of the user's half of the address space.
    /// </summary>
    public const long MaxBytes = 1L << 40;

    /// <summary>From here on the kernel may back a mapping with huge pages.</summary>
    private const long HugePage = 2 << 20;

    private readonly byte[]? _array;
    private readonly Mapped? _mapped;

    /// <param name="bytes">How many; not more than <see cref="MaxBytes"/>.</param>
    /// <param name="alignment">Of the first; a power of two, at most a page.</param>
    /// <param name="user">The object that uses the addresses; the memory lives at least as long.</param>
    /// <exception cref="OutOfMemoryException">There is no memory, or there are no addresses.</exception>
    public SlotMemory(long bytes, int alignment, object user)
    {
        if (bytes > MaxArrayBytes && OperatingSystem.IsLinux())
        {
            const int Flags = Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS | Mapping.MAP_NORESERVE;
            nint address = Mapping.Map((nuint)bytes, Mapping.PROT_READ | Mapping.PROT_WRITE, Flags, -1);
            if (!Mapping.IsError(address))
            {
                if (bytes >= HugePage)
                {
                    // A kernel without huge pages answers EINVAL, which is as good.
                    _ = Mapping.Advise(address, (nuint)bytes, Mapping.MADV_NOHUGEPAGE);
                }

                _mapped = new Mapped(address, bytes, user);
                Base = address;
                return;
            }
        }

        if (bytes > Array.MaxLength - alignment)
        {
            throw new InsufficientMemoryException(
                $"{bytes:N0} bytes of addresses for per-CPU slots were refused: the process is at its limit "
                    + "(RLIMIT_AS, vm.overcommit_memory, vm.max_map_count); use smaller slots, or raise the limit."
            );
        }

        // Refused, or not Linux. The runtime takes such memory from the system as zeroed pages too, but counts all of
        // it against its own limit.
        _array = GC.AllocateArray<byte>((int)bytes + alignment, pinned: true);
        nint first = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_array));
        Base = (first + alignment - 1) & ~(nint)(alignment - 1);
    }

    /// <summary>The first address.</summary>
    public nint Base { get; }

    /// <summary>Whether only what is touched takes memory.</summary>
    public bool IsMapped => _mapped is not null;

    /// <summary>Takes the mapping away once its user is gone.</summary>
    private sealed class Mapped
    {
        private readonly nint _address;
        private readonly long _bytes;

        // long weak: it is cleared when the memory of the user is reclaimed, not when only finalizers reach it
        private readonly GCHandle _user;

        public Mapped(nint address, long bytes, object user)
        {
            _address = address;
            _bytes = bytes;
            _user = GCHandle.Alloc(user, GCHandleType.WeakTrackResurrection);
        }

        ~Mapped()
        {
            if (!_user.IsAllocated)
            {
                return; // the constructor did not come so far
            }

            if (_user.Target is not null)
            {
                // A finalizer that has not run yet may use the slots; look again after the next collection.
                GC.ReRegisterForFinalize(this);
                return;
            }

            _user.Free();
            // SAFETY: no object has the addresses any more, so no thread is in a call that uses them: callers keep the
            // user alive until after their last access.
            Leftovers.Unmap(_address, (nuint)_bytes);
        }
    }
}
