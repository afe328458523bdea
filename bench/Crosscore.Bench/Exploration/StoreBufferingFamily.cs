using System.Globalization;
using System.Text;

namespace Crosscore.Bench.Exploration;

/// <summary>
/// N threads that each do R rounds of "store my variable, load the next thread's": few lines, many states, and nothing
/// that a clever rewrite could skip. For our model as a litmus test, for SPIN as the same machine in Promela.
/// </summary>
internal static class StoreBufferingFamily
{
    private static readonly string[] Registers = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "r8d"];

    /// <summary>The test.</summary>
    /// <param name="threads">How many threads.</param>
    /// <param name="rounds">How many rounds each.</param>
    /// <param name="observeAll">Whether every load is part of a final state, or each thread's last alone.</param>
    public static string Litmus(int threads, int rounds, bool observeAll = true)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"X86_64 StoreBuffering.{threads}x{rounds}\n{{ }}\n");
        text.AppendJoin('|', Enumerable.Range(0, threads).Select(thread => $" P{thread} ")).Append(";\n");
        for (int round = 0; round < rounds; round++)
        {
            text.AppendJoin('|', Enumerable.Range(0, threads).Select(thread => $" movl ${round + 1},(x{thread}) "))
                .Append(";\n");
            text.AppendJoin(
                    '|',
                    Enumerable
                        .Range(0, threads)
                        .Select(thread => $" movl (x{(thread + 1) % threads}),%{Registers[round]} ")
                )
                .Append(";\n");
        }

        if (observeAll)
        {
            text.Append("locations [");
            for (int thread = 0; thread < threads; thread++)
            {
                text.AppendJoin(
                    "",
                    Enumerable.Range(0, rounds).Select(round => $" {thread}:{Wide(Registers[round])};")
                );
            }

            text.Append(" ]\n");
        }

        text.Append("exists (");
        text.AppendJoin(
            " /\\ ",
            Enumerable.Range(0, threads).Select(thread => $"{thread}:{Wide(Registers[rounds - 1])}=0")
        );
        return text.Append(")\n").ToString();
    }

    /// <summary>
    /// The machine of Owens, Sarkar and Sewell: a first-in-first-out buffer for each core, drained by a separate
    /// process. Each access is one deterministic step and empty slots are zero, so that SPIN and the model count the
    /// same states; registers are not hidden, because final states are compared.
    /// </summary>
    public static string Promela(int threads, int rounds)
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $$"""
            typedef Core { byte n; byte address[{{rounds}}]; byte value[{{rounds}}]; byte loaded[{{rounds}}] };
            Core core[{{threads}}];
            byte memory[{{threads}}];
            hidden byte k;

            inline store(id, a, v) {
              d_step { core[id].address[core[id].n] = a; core[id].value[core[id].n] = v; core[id].n = core[id].n + 1 }
            }

            inline load(id, a, r) {
              d_step {
                core[id].loaded[r] = memory[a]; k = 0;
                do
                :: k < core[id].n ->
                     if :: core[id].address[k] == a -> core[id].loaded[r] = core[id].value[k] :: else fi; k = k + 1
                :: else -> break
                od; k = 0
              }
            }

            proctype Buffer(byte id) {
            end: do
              :: d_step { core[id].n > 0 ->
                   memory[core[id].address[0]] = core[id].value[0]; k = 1;
                   do
                   :: k < core[id].n ->
                        core[id].address[k - 1] = core[id].address[k];
                        core[id].value[k - 1] = core[id].value[k]; k = k + 1
                   :: else -> break
                   od;
                   core[id].n = core[id].n - 1;
                   core[id].address[core[id].n] = 0; core[id].value[core[id].n] = 0; k = 0 }
              od
            }


            """
        );
        for (int thread = 0; thread < threads; thread++)
        {
            text.Append(CultureInfo.InvariantCulture, $"proctype P{thread}() {{\n");
            for (int round = 0; round < rounds; round++)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  store({thread}, {thread}, {round + 1}); load({thread}, {(thread + 1) % threads}, {round});\n"
                );
            }

            text.Append("  skip\n}\n\n");
        }

        text.Append("init { atomic { ");
        text.AppendJoin("; ", Enumerable.Range(0, threads).Select(thread => $"run Buffer({thread}); run P{thread}()"));
        return text.Append(" } }\n").ToString();
    }

    private static string Wide(string register) => register[0] == 'e' ? "r" + register[1..] : register.TrimEnd('d');
}
