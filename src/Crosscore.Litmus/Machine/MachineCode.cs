using Crosscore.Code;
using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// The columns of a test as installed machine code: sealed, executable, and never writable at that address.
/// </summary>
internal sealed unsafe class MachineCode : IDisposable
{
    private readonly LitmusTest _test;
    private readonly InstalledCode _installed;
    private readonly nint[] _entries;

    /// <summary>Installs one function for each column.</summary>
    /// <param name="test">The test.</param>
    /// <param name="functions">The code of each column.</param>
    /// <exception cref="MachineRunException">This system refuses executable memory.</exception>
    public MachineCode(LitmusTest test, IReadOnlyList<byte[]> functions)
    {
        _test = test;
        var writer = new CodeWriter("litmus");
        try
        {
            CodeFunction[] columns = [.. functions.Select((function, index) => writer.Append(function, $"P{index}"))];
            using SealedCode code = writer.Seal();
            _installed = code.Install();
            _entries = Array.ConvertAll(columns, _installed.AddressOf);
        }
        catch (CodeException refusal)
        {
            throw new MachineRunException($"{test.Name}: the code could not be installed. {refusal.Message}", refusal);
        }
    }

    /// <summary>Runs a column's function on the calling thread.</summary>
    /// <param name="thread">The column.</param>
    /// <param name="control">Its control block.</param>
    public void Call(int thread, byte* control)
    {
        // SAFETY: the address is the start of a function that this project assembled for the System V convention, with
        // one pointer and no result; it is installed until Dispose, which runs after the crew has ended.
        ((delegate* unmanaged<byte*, void>)_entries[thread])(control);
    }

    /// <summary>
    /// Checks that the kernel carried out every membarrier: if it did not, nothing that was counted means anything.
    /// </summary>
    /// <param name="control">The control blocks.</param>
    /// <param name="size">Bytes of each.</param>
    /// <param name="answer">Where in each the kernel's answer is.</param>
    /// <param name="threads">How many there are.</param>
    /// <exception cref="MachineRunException">There was one.</exception>
    public void ThrowIfRefused(NativeBlock control, int size, int answer, int threads)
    {
        for (int thread = 0; thread < threads; thread++)
        {
            long value = control[(size * thread) + answer];
            if (value != 0)
            {
                string commands = string.Join(
                    ", ",
                    _test
                        .Threads[thread]
                        .Instructions.Where(instruction => instruction.Command is not null)
                        .Select(instruction => instruction.Text)
                        .Distinct()
                );
                throw new MachineRunException(
                    $"{_test.Name}: the kernel refused a system call of P{thread} ({commands}): "
                        + $"it answered {value}, {ErrorName(value)}. No outcome of this run counts."
                );
            }
        }
    }

    /// <summary>Unmaps the code; no thread may be running it.</summary>
    public void Dispose() => _installed.Dispose();

    private static string ErrorName(long answer) =>
        answer switch
        {
            -1 => "EPERM: not registered, or forbidden by a sandbox",
            -12 => "ENOMEM",
            -22 => "EINVAL: this kernel does not have the command",
            -38 => "ENOSYS: this kernel or a sandbox does not have the call",
            _ => "which membarrier(2) does not document",
        };
}
